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
    if not splits:
        _refuse_splits_below(path, folders)
        _note_same_folders(folders, notes)
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

    Raises `InputError` where train and another split lie beside folders that are none, and where one that is none holds the
    same folders as a split.
    """
    parts = {folder.name: part_called(folder.name) for folder in folders}
    found = {name: part for name, part in parts.items() if part is not None}
    others = [readable(name) for name, part in parts.items() if part is None]
    if others and TRAIN in found.values() and len(set(found.values())) > 1:
        raise InputError(
            f"the folder {path} has splits ({', '.join(found)}) beside folders that are none ({listing(others)}): "
            "leave the splits alone there"
        )
    for name in found if others else ():
        for other in others:
            same = sorted(_names_below(path / name) & _names_below(path / other))
            if same:
                raise InputError(
                    f"the folder {path} has {name}, which is called after a split, and {other}, which is not, with the "
                    f"same folders in them ({listing(same)}): call both after train, valid or test"
                )
    return {} if others else found


def _names_below(folder: Path) -> set[str]:
    return {readable(child.name) for child in _children(folder, Path.is_dir)}


def _refuse_splits_below(path: Path, folders: list[Path]) -> None:
    """Raise `InputError` where the splits lie below a folder that would be a topic."""
    for folder in folders:
        parts = {name: part_called(name) for name in sorted(_names_below(folder))}
        if None in parts.values() or TRAIN not in parts.values() or len(set(parts.values())) < 2:
            continue
        one = f"give {folder} itself"
        several = "put the splits above the topics"
        raise InputError(
            f"the folder {path} has splits ({', '.join(parts)}) below {readable(folder.name)}: "
            f"{one if len(folders) == 1 else several}"
        )


def _note_same_folders(folders: list[Path], notes: list[str]) -> None:
    """Note where topics look like splits under names that are none: each holds the same folders."""
    below = {frozenset(_names_below(folder)) for folder in folders}
    if len(folders) > 1 and len(below) == 1 and len(next(iter(below))) > 1:
        notes.append(
            f"{listing(folder.name for folder in folders)} are the topics, and hold the same folders: "
            "if they are splits, call them train, valid and test"
        )


def _files_of_topics(folder: Path, split: str | None, notes: list[str]) -> list[_File]:
    topics = _children(folder, Path.is_dir)
    without = [topic.name for topic in topics if split is None and _is_unsup(topic.name)] if len(topics) > 1 else []
    files = [
        _File(file, *((None, UNLABELLED) if topic.name in without else _label_and_split(topic.name, split)))
        for topic in topics
        for file in _files_below(topic)
    ]
    if without:
        notes.append(f"what lies in {', '.join(without)} has no topic: only the language model reads it")
    if files:
        _note_loose(folder, notes)
        return files
    loose = _children(folder, Path.is_file)
    texts = [file for file in loose if split is not None or file.suffix.lower() == ".txt"]
    if split is None and len(texts) > 1 and all(part_called(file.stem) for file in texts):
        raise InputError(
            f"the folder {folder} holds {listing(file.name for file in texts)}, each of which would be one document: "
            "give each document a file of its own, or a row of a table"
        )
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


def _is_unsup(name: str) -> bool:
    """Whether a folder beside topics is of documents without one; `unsupervised` can be a topic."""
    return part_called(name) == UNLABELLED and "supervised" not in name.lower()


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
