"""Tables of lines: CSV, TSV and their relatives, as the programs of the world write them."""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

from unpadded.common import InputError

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
SPOKEN = {"comma": ",", "semicolon": ";", "tab": "\t", r"\t": "\t", "bar": "|", "space": " "}
ALL_QUOTED = 0.9  # of the cells: a program quotes all of them, perhaps but for the heading
LOOKED_AT = 50  # rows that a guess is made from
# What a quoted cell holds that had to be quoted: a doubled quote, the delimiter, an end of line, or nothing.
CELL = re.compile(r'(?:^|(?<=\t)|(?<=\n))(?:"((?:[^"]|"")*)"(?=\t|\r?\n|\r?\Z)|([^\t\n]*))')


def checked_delimiter(given: str) -> str:
    """A delimiter as a person gives it, one character or its name. Raises `InputError` for what can be none."""
    delimiter = SPOKEN.get(given.lower(), given)
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise InputError(f"delimiter={given!r} is no single character: give one, or {', '.join(SPOKEN)}")
    return delimiter


def rows_of(path: Path, text: str, delimiter: str, notes: list[str]) -> list[list[str]]:
    """The cells of every row that holds any; a row of nothing but delimiters is none, and the notes count them.

    Raises `InputError` for a quote that is left open or not doubled, naming the line.
    """
    unquoted = delimiter == "\t" and not is_quoted(text)
    rows = _unquoted(text) if unquoted else _parsed(path, text, delimiter)
    rows = [row for row in rows if row and not (unquoted and row == [""])]
    alone = bool(rows) and len(rows[0]) == 1  # in a table of one column a blank is an empty document
    kept = [row for row in rows if alone or any(cell.strip() for cell in row)]
    if len(kept) < len(rows):
        notes.append(f"left out {len(rows) - len(kept)} rows of nothing but delimiters")
    if unquoted and any(cell.startswith('"') for row in kept for cell in row):
        notes.append(f"the quotes in {path.name} are text: its cells are not quoted as such")
    return kept


def likeliest(text: str, own: str, wanted: Sequence[str]) -> str:
    """The delimiter of a table that is said to have `own`: another only where it splits the table better.

    `wanted` are column names that have to be there; of delimiters whose first row has the most of them, the table's own
    comes first, then those that give every row the same number of cells.
    """
    candidates = [own, *(delimiter for delimiter in DELIMITERS if delimiter != own)]
    heads = {delimiter: _head(text, delimiter) for delimiter in candidates}

    def fitness(delimiter: str) -> tuple[int, bool]:
        rows = heads[delimiter]
        names = {cell.strip() for cell in rows[0]} if rows else set()
        even = len(rows) > 1 and len(rows[0]) > 1 and len(set(map(len, rows))) == 1
        return sum(name in names for name in wanted), even

    return max(candidates, key=fitness)  # of equals the first


def is_quoted(text: str) -> bool:
    """Whether a table of tabs was written with quotes around the cells that need them, so that they are to be taken off.

    Programs that do so double every quote inside, and quote nothing without need, or else quote all.
    """
    cells, quoted, needed = 0, 0, 0
    commas_elsewhere = False
    for match in CELL.finditer(text):
        inside, bare = match.groups()
        if inside is None:
            if '"' in bare:
                return False
            cells += bool(bare.strip())
            commas_elsewhere = commas_elsewhere or "," in bare
            continue
        cells, quoted = cells + 1, quoted + 1
        needed += not inside or bool(re.search(r'"|\t|\n|\r', inside)) or ("," in inside and not commas_elsewhere)
    if not quoted:
        return False
    if quoted >= ALL_QUOTED * cells:
        return True
    return (needed == quoted or quoted >= 0.5 * cells) and not _even_without_quotes(text)


def _even_without_quotes(text: str) -> bool:
    """Whether a line ends inside quotes and yet every line has as many cells as the first: then they are no quotes."""
    lines = [line for line in text.split("\n") if line.strip()]
    widths = {line.count("\t") for line in lines}
    over_lines = any("\n" in (match[1] or "") for match in CELL.finditer(text))
    return over_lines and len(widths) == 1 and widths != {0}


def _head(text: str, delimiter: str) -> list[list[str]]:
    """The first rows, as far as they can be read."""
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            rows += [row] if any(row) else []
            if len(rows) >= LOOKED_AT:
                break
    except csv.Error:
        pass
    return rows


def _unquoted(text: str) -> list[list[str]]:
    """The cells of lines that end in a line feed, a carriage return before it, or, where there is no line feed, in that."""
    lines = text.split("\n") if "\n" in text else text.split("\r")
    return [line.removesuffix("\r").split("\t") for line in lines]


def _parsed(path: Path, text: str, delimiter: str) -> list[list[str]]:
    # Strict, so that a quote left open is an error and not one document that swallows the rest of the file.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows, line = [], 1
    limit = csv.field_size_limit(2**31 - 1)  # the module's own, 131,072 characters a cell, is less than a long document
    try:
        for row in reader:
            line = reader.line_num + 1
            rows.append(row)
    except csv.Error as error:
        raise InputError(
            f"{path} has a broken quoted cell in the row at line {line} ({error}): double the quotes inside and close it"
        ) from error
    finally:
        csv.field_size_limit(limit)
    return rows
