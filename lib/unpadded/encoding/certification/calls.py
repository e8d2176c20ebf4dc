"""Anybody's encoder behind one face: documents in, an array of rows out; every call counted, none above the number allowed."""

import sys
import time
from collections.abc import Callable, Sequence

import numpy as np

from unpadded.common import InputError, with_type
from unpadded.encoding.certification.items import Item, handed

EVERY = 0.2  # seconds between two lines of progress


class OutOfCalls(Exception):
    """No call is left."""


class Failed(Exception):
    """An encoder raised an error or returned something else than one row a document (`miscounted`: another number)."""

    def __init__(self, message: str, *, miscounted: bool = False):
        super().__init__(message)
        self.miscounted = miscounted


def function_of(encoder) -> Callable:
    """What takes a list of documents: `encoder.encode`, `encoder.transform`, or the callable itself.

    Raises `InputError` for a class and for what has none of them.
    """
    if isinstance(encoder, type):
        raise InputError(f"The encoder is the class {encoder.__name__}: give an instance of it.")
    for name in ("encode", "transform"):
        if callable(getattr(encoder, name, None)):
            return getattr(encoder, name)
    if callable(encoder):
        return encoder
    raise InputError(
        f"The encoder is {type(encoder).__name__}: give a function from a list of texts to an array, or an object with "
        "encode or transform."
    )


class Caller:
    """Calls `encoder` with items (see `items`) and checks what comes back; `notes` gathers what is odd but harmless.

    `limit` calls are made at most, `OutOfCalls` is raised instead of one more. The columns of a sparse matrix are kept in the
    order in which they are first filled, so that a large vocabulary is never made dense.
    """

    def __init__(self, encoder, kind: type, *, limit: int, progress: bool | None = None):
        self._encode, self._kind = function_of(encoder), kind
        self.limit, self.n_calls = limit, 0
        self.notes: dict[str, None] = {}
        self._columns: dict[tuple[int, int], int] = {}
        self._width: int | None = None
        self._kept: tuple | None = None  # an array that the encoder returned, and a copy of it
        self._show, self._shown = sys.stderr.isatty() if progress is None else progress, 0.0

    def __call__(self, items: Sequence[Item], *, what: str = "") -> np.ndarray:
        """Float rows [n_items, width]. Raises `Failed` or `OutOfCalls`."""
        given = [handed(item, self._kind) for item in items]
        before = list(given)
        found = self.raw(given, what)
        if len(given) != len(before) or any(a is not b for a, b in zip(given, before, strict=False)):
            self.notes["it changes the list that it is given"] = None
        return self._rows(found, len(items))

    def raw(self, argument, what: str = ""):
        """What the encoder returns for `argument`, counted. Raises `Failed` or `OutOfCalls`."""
        if self.n_calls >= self.limit:
            raise OutOfCalls
        self.n_calls += 1
        self._say(what)
        try:
            return self._encode(argument)
        except Exception as error:  # whatever a stranger's encoder raises is a finding
            raise Failed(with_type(error)) from error

    def _rows(self, found, n: int) -> np.ndarray:
        rows = self._dense(found) if hasattr(found, "tocsr") else rows_of(found)
        if rows.ndim == 1 and (n == 1 or len(rows) == n):
            self.notes["it leaves an axis out: one text gives no matrix of one row"] = None
            rows = rows.reshape(n, -1)
        if rows.ndim != 2:
            raise Failed(f"returned an array of {rows.ndim} dimensions, not one row a text")
        if len(rows) != n:
            raise Failed(f"returned {len(rows)} rows for {n} texts", miscounted=True)
        if np.isnan(rows).any():
            self.notes["some of its vectors hold NaN"] = None
        if isinstance(found, np.ndarray) and self._kept is None:
            self._kept = (found, found.copy())
        return rows

    def _dense(self, matrix) -> np.ndarray:
        """Rows of the columns seen so far; a column of a matrix of another width is another column."""
        matrix = matrix.tocsr()
        width = matrix.shape[1]
        if self._width not in (None, width):
            self.notes["its vectors have more numbers for some texts than for others"] = None
        self._width = width
        for column in np.unique(matrix.indices).tolist():
            self._columns.setdefault((width, column), len(self._columns))
        rows = np.zeros((matrix.shape[0], max(len(self._columns), 1)))
        for i in range(matrix.shape[0]):
            filled = slice(matrix.indptr[i], matrix.indptr[i + 1])
            places = [self._columns[width, column] for column in matrix.indices[filled].tolist()]
            np.add.at(rows[i], places, matrix.data[filled])
        return rows

    @property
    def sparse(self) -> bool:
        """Whether the encoder returns sparse matrices, whose rows here grow with the columns seen."""
        return self._width is not None

    def finish(self) -> tuple[str, ...]:
        """The notes; among them whether an array that was returned has been written over since."""
        if self._kept is not None and not np.array_equal(*self._kept, equal_nan=self._kept[0].dtype.kind == "f"):
            self.notes["it writes over arrays that it returned before: copy each"] = None
        self._say("", last=True)
        return tuple(self.notes)

    def _say(self, what: str, *, last: bool = False) -> None:
        if self._show and (last or time.monotonic() - self._shown > EVERY):
            self._shown = time.monotonic()
            line = "" if last else f"call {self.n_calls} of at most {self.limit}: {what}"
            print(f"\r{line:<78}", end="\r" if last else "", file=sys.stderr, flush=True)


def rows_of(found) -> np.ndarray:
    """Numbers as a new float64 array: numpy's, torch's on any device and of any type, lists of them; `Failed` for others."""
    if isinstance(found, list | tuple) and found and hasattr(found[0], "detach"):
        found = [_tensor(row) for row in found]
    elif hasattr(found, "detach"):
        found = _tensor(found)
    try:
        array = np.asarray(found)
    except ValueError:
        raise Failed("returned rows of different lengths") from None
    if array.dtype.kind not in "fiub":
        raise Failed(f"returned {type(found).__name__}, not an array of numbers")
    return np.array(array, np.float64)


def _tensor(tensor) -> np.ndarray:
    return tensor.detach().cpu().double().numpy()  # bfloat16 has no type in numpy, and float64 holds every other
