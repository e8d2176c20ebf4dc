"""Folders of text files, one document a file, the folder's name its topic."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, NoReturn

from unpadded.common import InputError, is_clutter
from unpadded.corpus.documents import Documents
from unpadded.corpus.readers.decoding import UndecodableError, read_text, readable

FILES_A_STRAY = 1000  # one in so many may be in another encoding
SPLIT_NAME = re.compile(r"(?:.*[-_. ])?(train|test|valid|validation|val|dev)", re.IGNORECASE)


class _File(NamedTuple):
    path: Path
    label: str | None
    split: str | None


def read_folder(path: Path, *, encoding: str | None = None) -> Documents:
    """Read a folder of topic folders, or of split folders (`train`, `x-test`, ...) that hold them, or of .txt files.

    Below a topic every visible file at any depth is a document; its id is the relative path. Without an `encoding`,
    one file in a thousand may be Windows-1252 instead of UTF-8, and is noted. Raises `InputError`.
    """
    folders = _children(path, Path.is_dir)
    splits, notes = _splits(folders), []
    if splits:
        files = [file for folder in folders for file in _files_of_topics(folder, splits[folder.name], notes)]
        _note_loose(path, notes)
    else:
        files = _files_of_topics(path, None, notes)
    labelled = {file.label is not None for file in files}
    if len(labelled) == 2:
        raise InputError(f"{path} has topic folders in one split and none in another: put every document in a topic")
    files.sort(key=lambda file: file.path)
    texts = _read_all([file.path for file in files], encoding, notes)
    return Documents(
        readable(path.resolve().name),
        [readable(file.path.relative_to(path).as_posix()) for file in files],
        texts,
        labels=[readable(file.label or "") for file in files] if labelled == {True} else None,
        split=[file.split for file in files] if splits else None,
        notes=tuple(map(readable, notes)),
        where=f"the folder {path}",
    )


def _read_all(files: list[Path], encoding: str | None, notes: list[str]) -> list[str]:
    """The text of each file. In a large folder a stray file in the old Windows encoding is no reason to refuse all."""
    texts, strays = [], 0
    for file in files:
        try:
            texts.append(read_text(file, encoding=encoding))
        except UndecodableError as error:
            strays += 1
            if encoding is not None or strays * FILES_A_STRAY > len(files):
                raise
            texts.append(read_text(file, encoding="cp1252"))
            notes.append(f"read as cp1252, for {str(error).split(':')[0]}")
    return texts


def _splits(folders: list[Path]) -> dict[str, str]:
    """Folder name -> split if every folder is named after another split and one is train, else nothing."""
    found = {folder.name: SPLIT_NAME.fullmatch(folder.name) for folder in folders}
    if not all(found.values()):
        return {}
    splits = {name: match[1].lower() for name, match in found.items()}
    return splits if "train" in splits.values() and len(set(splits.values())) == len(splits) > 1 else {}


def _files_of_topics(folder: Path, split: str | None, notes: list[str]) -> list[_File]:
    topics = _children(folder, Path.is_dir)
    files = [_File(file, topic.name, split) for topic in topics for file in _files_below(topic)]
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
