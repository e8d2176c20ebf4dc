"""The first words of every document, kept beside its vectors, so that a search result can be read without the corpus."""

import hashlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from unpadded.common import atomic_write, mapped_array, sha256_of

BEGINNINGS = "beginnings.npy"
N_BYTES = 160  # of UTF-8, about 25 English words
BLOCK = 4096  # documents


def beginning(text: str) -> bytes:
    """The first words of `text` with single spaces between them, at most `N_BYTES` bytes of whole UTF-8 characters."""
    words = " ".join(text[: 8 * N_BYTES].split())
    return words[:N_BYTES].encode("utf-8", "replace")[:N_BYTES].decode("utf-8", "ignore").encode()


def write_beginnings(texts: Sequence[str], folder: Path) -> bool:
    """Write the beginnings of `texts` to `folder` where they do not lie there already; returns whether it wrote.

    The file is a .npy of bytes [n_documents], every row of one length, so that any row can be read alone.
    """
    path = folder / BEGINNINGS
    if path.is_file() and sha256_of(path) == _digest(texts):
        return False
    with atomic_write(path) as file:
        file.writelines(_blocks(texts))
    return True


def read_beginnings(folder: Path) -> np.ndarray:
    """The rows of the file, bytes [n_documents], as a read-only memory map."""
    return mapped_array(folder / BEGINNINGS)


def header_of(descr: str, shape: tuple[int, ...]) -> bytes:
    """What stands before the rows in a .npy file (NumPy's format, version 1.0)."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": descr, "fortran_order": False, "shape": shape})
    return header.getvalue()


def _digest(texts: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for block in _blocks(texts):
        digest.update(block)
    return digest.hexdigest()


def _blocks(texts: Sequence[str]) -> Iterator[bytes]:
    """The file's bytes in pieces: the header, then the rows of some documents at a time."""
    yield header_of(f"|S{N_BYTES}", (len(texts),))
    for first in range(0, len(texts), BLOCK):
        yield b"".join(beginning(text).ljust(N_BYTES, b"\0") for text in texts[first : first + BLOCK])
