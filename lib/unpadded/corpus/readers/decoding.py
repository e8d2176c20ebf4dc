"""Files as text; where their bytes are not in the encoding, the error says at which."""

import codecs
import gzip
import os
import zlib
from pathlib import Path

from unpadded.common import InputError


class UndecodableError(InputError):
    """The bytes of a file are not in the encoding they should be in."""


def read_text(path: Path, *, encoding: str | None = None) -> str:
    """The whole file as text (UTF-8 unless told), line ends untouched, `.gz` unpacked, a byte order mark dropped.

    Raises `InputError` for a file that cannot be read, a torn gzip, or bytes that are not `encoding`.
    """
    data = _read_bytes(path)
    encoding = encoding or "utf-8"
    try:
        utf8 = codecs.lookup(encoding).name == "utf-8"
    except LookupError as error:
        raise InputError(f"encoding={encoding!r} is none that Python knows: try 'utf-8' or 'latin-1'") from error
    start = len(codecs.BOM_UTF8) if utf8 and data.startswith(codecs.BOM_UTF8) else 0
    try:
        return data[start:].decode(encoding)
    except UnicodeDecodeError as error:
        offset = start + error.start
        raise UndecodableError(
            f"{path} is not {encoding} at byte {offset} (0x{data[offset]:02x}{_unpacked(path)}): "
            "give its encoding, for example encoding='latin-1'"
        ) from error


def readable(name: str) -> str:
    r"""A file's name as text that can be printed and stored: bytes that are not UTF-8 are written as `\xe9`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _read_bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check the path and its permissions") from error
    if path.suffix.lower() != ".gz":
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} is not a whole gzip file: copy it again") from error


def _unpacked(path: Path) -> str:
    return ", counted in the unpacked file" if path.suffix.lower() == ".gz" else ""
