"""Files that are either whole or not there: write to a temporary name, sync, rename."""

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from unpadded.common.errors import InputError
from unpadded.common.threads import READING_HEADERS

# What systems and tools put into folders by themselves: a folder of nothing else is empty, and none of it is a document.
CLUTTER = ("lost+found", "__MACOSX", "Thumbs.db", "desktop.ini", "$RECYCLE.BIN", "System Volume Information")
CLUTTER_HIDDEN = (".DS_Store", ".localized", ".directory", ".gitkeep", ".gitignore", ".Spotlight-V100", ".fseventsd")
CLUTTER_BEGINNINGS = ("._", ".Trash", ".nfs", ".fuse_hidden")
DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # what an `OSError` says then


def mapped_array(path: str | os.PathLike) -> np.ndarray:
    """The array of a .npy file as a read-only memory map; any number of threads may ask at once.

    Raises `OSError` for a missing file, `ValueError` for a torn one or one of Python objects.
    """
    with READING_HEADERS:
        return np.load(path, mmap_mode="r", allow_pickle=False)


@contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[IO[bytes]]:
    """Yield a binary file that takes the name `path` only once the block has ended without an error.

    The temporary file, whose path is its `name`, lies in the same folder, so the final rename is atomic; file and folder
    are synced, so a crash leaves the old content or the new one, never a torn file. Raises `OSError` as the file system
    does.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    os.close(descriptor)
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextmanager
def atomic_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Yield an empty folder that takes the name `path` only once the block has ended without an error.

    The temporary folder lies beside it; its files, none of them in a folder of its own, are synced before the rename. What
    lay under `path` goes just before it, since no system replaces a folder that is not empty: a crash then leaves nothing,
    or less than there was, but never something new and torn. Raises `OSError` as the file system does.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp"))
    try:
        yield temporary
        for file in temporary.iterdir():
            with open(file, "rb") as written:
                os.fsync(written.fileno())
        _sync_folder(temporary)
        os.chmod(temporary, 0o777 & ~_umask())
        if path.exists():
            shutil.rmtree(path)
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def check_folder(folder: Path) -> None:
    """Raise `InputError` where `folder` can be none, being a file itself or lying below one."""
    there = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    if there.exists() and not there.is_dir():
        raise InputError(f"{folder} cannot be a folder, because {there} is a file: give another --output.")


def is_clutter(name: str) -> bool:
    """Whether a file or folder of this name is a system's or tool's own, such as `.DS_Store` or `lost+found`."""
    return name in (*CLUTTER, *CLUTTER_HIDDEN) or name.startswith(CLUTTER_BEGINNINGS)


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Write `value` as indented UTF-8 JSON with sorted keys, atomically."""
    with atomic_write(path) as file:
        text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
        # A lone surrogate, as in a path that is not UTF-8, becomes an escape that JSON reads back as the same.
        file.write(text.encode("utf-8", "backslashreplace") + b"\n")


def write_table(path: str | os.PathLike, table) -> None:
    """Write a data frame as CSV without its index, atomically."""
    with atomic_write(path) as file:
        file.write(table.to_csv(index=False, lineterminator="\n").encode())


def read_json(path: str | os.PathLike) -> Any:
    """Read a UTF-8 JSON file."""
    return json.loads(Path(path).read_bytes())


def sha256_of(path: str | os.PathLike) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    """Make a rename durable; file systems that cannot sync a folder are left alone."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)
