"""Files as text: UTF-8, or what their bytes show them to be; where they show nothing, the error says at which byte."""

import codecs
import gzip
import os
import re
import zlib
from pathlib import Path
from typing import NamedTuple

from unpadded.common import InputError

# The longer marks first: that of UTF-32 begins with that of UTF-16.
MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
NAMES = {"cp1252": "Windows-1252", "utf-32": "UTF-32"}
# Of Western text in Windows-1252, at most this share of the letters are beyond ASCII, of these stand side by side, and
# of all that is beyond ASCII are signs amid a word: there is more of them where it is another code page.
MOST_ACCENTED, MOST_TOGETHER, MOST_SIGNS = 0.4, 0.5, 0.1
ACCENTED = re.compile(r"[À-ÖØ-öø-ÿŠšŽžŒœŸƒ]+")
SIGN_IN_WORD = re.compile(r"(?<=[^\W\d_])[¡-©«¬®-´¶-¹»-¿](?=[^\W\d_])")
LOOKED_AT = 1_000_000  # bytes that a guess is made from


class UndecodableError(InputError):
    """The bytes of a file are not in the encoding they should be in."""


class Decoded(NamedTuple):
    """A text and, where it was not UTF-8 and nobody had said what it is, the name of the encoding that was found."""

    text: str
    found: str = ""


def read_text(path: Path, *, encoding: str | None = None, notes: list[str] | None = None) -> str:
    """The whole file as text, line ends untouched, `.gz` unpacked, a byte order mark dropped.

    Without `encoding` it is UTF-8, or UTF-16, UTF-32 or Windows-1252 where its bytes say so, which goes into `notes`.
    Raises `InputError` for a file that cannot be read, a torn gzip, or bytes that are not in the encoding.
    """
    text, found = decode(_read_bytes(path), str(path), encoding=encoding, unpacked=path.suffix.lower() == ".gz")
    if found and notes is not None:
        notes.append(f"{path.name} is read as {found}")
    return text


def decode(data: bytes, where: str, *, encoding: str | None = None, unpacked: bool = False) -> Decoded:
    """`data` as text, as `read_text` does; `where` names it in the error."""
    if encoding is not None:
        return Decoded(_decoded(data, encoding, where, unpacked))
    mark = next((mark for mark in MARKS if data.startswith(mark)), None)
    found = MARKS[mark] if mark else _utf16_without_mark(data)
    try:
        text = _decoded(data, found or "utf-8", where, unpacked)
    except UndecodableError as error:
        if found or not _is_windows_1252(data, error.__cause__):
            raise
        found, text = "cp1252", data.decode("cp1252")
    return Decoded(text, "" if found in ("", "utf-8") else NAMES.get(found, found.upper()))


def readable(name: str) -> str:
    r"""A file's name as text that can be printed and stored: bytes that are not UTF-8 are written as `\xe9`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _decoded(data: bytes, encoding: str, where: str, unpacked: bool) -> str:
    try:
        utf8 = codecs.lookup(encoding).name == "utf-8"
        "".encode(encoding)  # some that Python knows turn bytes into bytes
    except (LookupError, TypeError, ValueError) as error:
        raise InputError(f"encoding={encoding!r} is none that Python knows: try 'utf-8' or 'latin-1'") from error
    start = len(codecs.BOM_UTF8) if utf8 and data.startswith(codecs.BOM_UTF8) else 0
    try:
        return data[start:].decode(encoding)
    except UnicodeError as error:
        offset = start + getattr(error, "start", 0)
        byte = f" (0x{data[offset]:02x}{', counted in the unpacked file' if unpacked else ''})" if data[offset:] else ""
        raise UndecodableError(
            f"{where} is not {encoding} at byte {offset}{byte}: "
            "give its encoding, for example --encoding cp1252 (encoding='cp1252' in Python)"
        ) from error


def _utf16_without_mark(data: bytes) -> str:
    """UTF-16 whose mark is missing is full of zero bytes at every second place; no other text has many of them."""
    some = data[:LOOKED_AT]
    odd, even = some[1::2].count(0), some[::2].count(0)
    most, least = max(odd, even), min(odd, even)
    if len(data) % 2 or most < max(1, 0.4 * (len(some) // 2)) or least > 0.1 * most:
        return ""
    return "utf-16-le" if odd > even else "utf-16-be"


def _is_windows_1252(data: bytes, error: BaseException | None) -> bool:
    """Whether bytes that are not UTF-8 are Western text of Windows, and neither torn UTF-8 nor another code page."""
    if getattr(error, "reason", "") == "unexpected end of data":
        return False
    whole = data.decode("utf-8", "surrogateescape")
    broken = sum("\udc80" <= letter <= "\udcff" for letter in whole)
    if sum(letter > "\x7f" for letter in whole) - broken >= broken:  # mostly UTF-8, with some damage
        return False
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        return False
    text = text[:LOOKED_AT]
    runs = [len(run) for run in ACCENTED.findall(text)]
    accented, together = sum(runs), sum(run for run in runs if run > 1)
    return (
        accented <= max(1, MOST_ACCENTED * sum(map(str.isalpha, text)))
        and together <= MOST_TOGETHER * accented
        and len(SIGN_IN_WORD.findall(text)) <= MOST_SIGNS * broken
    )


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
