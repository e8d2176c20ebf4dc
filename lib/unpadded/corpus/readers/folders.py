"""Folders of text files, one document a file, the folder's name its topic."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, NoReturn

from unpadded.common import InputError, is_clutter
from unpadded.corpus.documents import Documents
from unpadded.corpus.readers.decoding import read_text, readable
from unpadded.corpus.splits import TRAIN, UNLABELLED, part_called
from unpadded.corpus.validation import listing


class _File(NamedTuple):
    path: Path
    label: str | None
    split: str | None


def read_folder(path: Path, *, encoding: str | None = None) -> Documents:
    """Read a folder of topic folders, or of split folders (`train`, `x-test`, `Validation`, ...) that hold them, or of
    .txt files.

    Below a topic every visible file at any depth is a document; its id is the relative path. What lies in `unsup` or
    `unlabelled`, beside `train` or below, has no topic. Files that are not UTF-8 are noted. Raises `InputError`.
    """
    folders = _children(path, Path.is_dir)
    splits, notes = _splits(path, folders), []
    if splits:
        files = [file for folder in folders for file in _files_of_topics(folder, splits[folder.name], notes)]
        _note_loose(path, notes)
    else:
        files = _files_of_topics(path, None, notes)
    labelled = {file.label is not None for file in files if file.split != UNLABELLED}
    if len(labelled) == 2:
        raise InputError(f"{path} has topic folders in one split and none in another: put every document in a topic")
    files.sort(key=lambda file: file.path)
    texts = _read_all([file.path for file in files], encoding, notes)
    labels = [file.label if file.label is None else readable(file.label) for file in files]
    return Documents(
        readable(path.resolve().name),
        [readable(file.path.relative_to(path).as_posix()) for file in files],
        texts,
        labels=labels if labelled == {True} else None,
        split=[file.split or "" for file in files] if splits else None,
        notes=tuple(map(readable, notes)),
        where=f"the folder {path}",
    )


def _read_all(files: list[Path], encoding: str | None, notes: list[str]) -> list[str]:
    """The text of each file; what is not UTF-8 and was found out is noted, the first of a kind by name."""
    found: dict[str, list[str]] = {}
    texts = []
    for file in files:
        said: list[str] = []
        texts.append(read_text(file, encoding=encoding, notes=said))
        for sentence in said:
            found.setdefault(sentence.rsplit(" ", 1)[1], []).append(file.name)
    for name, those in found.items():
        notes.append(f"read as {name}: {listing(those)}")
    return texts


def _splits(path: Path, folders: list[Path]) -> dict[str, str]:
    """Folder name -> split where every folder is named after one, else nothing.

    Raises `InputError` where train and another split lie beside folders that are none.
    """
    parts = {folder.name: part_called(folder.name) for folder in folders}
    found = {name: part for name, part in parts.items() if part is not None}
    others = [readable(name) for name, part in parts.items() if part is None]
    if others and TRAIN in found.values() and len(set(found.values())) > 1:
        raise InputError(
            f"the folder {path} has splits ({', '.join(found)}) beside folders that are none ({listing(others)}): "
            "leave the splits alone there"
        )
    return {} if others else found


def _files_of_topics(folder: Path, split: str | None, notes: list[str]) -> list[_File]:
    topics = _children(folder, Path.is_dir)
    files = [_File(file, *_label_and_split(topic.name, split)) for topic in topics for file in _files_below(topic)]
    if files:
        _note_loose(folder, notes)
        return files
    loose = _children(folder, Path.is_file)
    texts = [file for file in loose if split is not None or file.suffix.lower() == ".txt"]
    if loose and not texts:
        raise InputError(
            f"the folder {folder} has neither topic folders, .txt files nor a corpus.jsonl: give one of its files"
        )
    return [_File(file, None, split) for file in texts]


def _label_and_split(topic: str, split: str | None) -> tuple[str | None, str | None]:
    """The topic and the split of what lies in a folder `topic`: none and "unlabelled" below a split, if it is called so."""
    if split is not None and UNLABELLED in (split, part_called(topic)):
        return None, UNLABELLED
    return topic, split


def _files_below(folder: Path) -> list[Path]:
    files = []
    for parent, folders, names in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if _is_shown(name)]
        files += [Path(parent, name) for name in names if _is_shown(name) and Path(parent, name).is_file()]
    return files


def _is_shown(name: str) -> bool:
    return not name.startswith(".") and not is_clutter(name)


def _children(folder: Path, kind: Callable[[Path], bool]) -> list[Path]:
    """The visible files (`Path.is_file`) or folders (`Path.is_dir`) directly in `folder`, sorted."""
    try:
        return sorted(child for child in folder.iterdir() if _is_shown(child.name) and kind(child))
    except OSError as error:
        _refuse(error)


def _refuse(error: OSError) -> NoReturn:
    raise InputError(f"the folder {error.filename} cannot be read ({error.strerror}): check its permissions") from error


def _note_loose(folder: Path, notes: list[str]) -> None:
    loose = [file.name for file in _children(folder, Path.is_file)]
    if loose:
        shown = ", ".join(loose[:5]) + (", ..." if len(loose) > 5 else "")
        notes.append(f"ignored {len(loose)} files that lie beside the folders of {folder.name}: {shown}")
