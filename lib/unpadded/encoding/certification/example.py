"""The smallest example of a fault: a few calls to make, and which two rows to compare; saved as JSON."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from unpadded.common import InputError, atomic_write
from unpadded.encoding.certification.calls import Caller, Failed
from unpadded.encoding.certification.comparing import differences, widened
from unpadded.encoding.certification.items import Item, length

FORMAT = "unpadded smallest example 1"
# What two rows should not do; a number of rows that is wrong.
DIFFER, COINCIDE, MISCOUNT = "differ", "coincide", "miscount"


@dataclass(frozen=True)
class Example:
    """`calls`, made in order; row `rows[1]` of the last one is compared with row `rows[0]` of the first.

    `shows`: "differ" (they should be the same document's vector, and are further apart than `tolerance`), "coincide" (two
    documents that should not have one vector, on an encoder that has encoded nothing yet) or "miscount" (the last call
    returns another number of rows). The last call is made up to `attempts` times.
    """

    verdict: str
    calls: tuple[tuple[Item, ...], ...]
    rows: tuple[int, int] = (0, 0)
    shows: str = DIFFER
    tolerance: float = 0.0
    difference: float | None = None
    attempts: int = 1

    @property
    def texts(self) -> list[Item]:
        """The documents: those of the call that shows it; of a coincidence those of all calls."""
        return [item for call in self.calls for item in call] if self.shows == COINCIDE else list(self.calls[-1])

    @property
    def size(self) -> tuple[int, int]:
        """Documents, and characters (or ids) in all of them."""
        return len(self.texts), sum(length(item)[1] for item in self.texts)

    def reproduces(self, encode) -> bool:
        """Whether `encode`, an encoder as `certify` takes it, still shows the fault. Raises `InputError` for no encoder."""
        kind, limit = (str if isinstance(self.calls[0][0], str) else list), len(self.calls) + self.attempts - 1
        caller = Caller(encode, kind, limit=limit, progress=False)
        return any(self._shown(caller, first) for first in self._beginning(caller))

    def _beginning(self, caller: Caller):
        """Make all calls but the last; yield the rows of the first, once an attempt."""
        try:
            first = [caller(call) for call in self.calls[:-1]][:1]
        except Failed:
            return
        yield from [first] * self.attempts

    def _shown(self, caller: Caller, first: list) -> bool:
        try:
            last = caller(self.calls[-1])
        except Failed as failure:
            return self.shows == MISCOUNT and failure.miscounted
        if self.shows == MISCOUNT:
            return False
        width = max(first[0].shape[1], last.shape[1]) if caller.sparse else 0
        apart = float(differences(_row(last, self.rows[1], width), _row(first[0], self.rows[0], width))[0])
        return apart == 0 if self.shows == COINCIDE else apart > self.tolerance

    def save(self, path: str | os.PathLike) -> None:
        """Write it as JSON, whole or not at all."""
        content = json.dumps({"format": FORMAT, **asdict(self)}, ensure_ascii=True, indent=1)
        with atomic_write(Path(path)) as file:
            file.write(content.encode())

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Example":
        """Read what `save` wrote. Raises `InputError` for another file."""
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            if content.pop("format") != FORMAT:
                raise ValueError
            calls = tuple(tuple(i if isinstance(i, str) else tuple(i) for i in call) for call in content.pop("calls"))
            first, last = rows = tuple(content.pop("rows"))
            example = cls(calls=calls, rows=rows, **content)
            if not (0 <= first < len(calls[0]) and 0 <= last < len(calls[-1])):
                raise ValueError
            return example
        except OSError as error:
            raise InputError(
                f"The example {path} cannot be read ({error.strerror}): give a file that certify saved."
            ) from None
        except (ValueError, TypeError, KeyError, AttributeError, IndexError):
            raise InputError(f"{path} is no example of certify: give a file that it saved.") from None


def _row(rows, n: int, width: int):
    return widened(rows[n : n + 1], width)
