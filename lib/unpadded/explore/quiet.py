"""What the panels share: widgets that are changed by their owner ask for nothing, and rows that have no room are wrapped."""

from collections.abc import Iterator
from contextlib import contextmanager

WRAPPED = {"flex_flow": "row wrap"}  # of what stands side by side: on a phone below each other, instead of cut off


class Quiet:
    """Something that owns widgets and hears what they report; it heeds none of it while `_busy`."""

    _busy = False

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Change widgets in this block."""
        self._busy = True
        try:
            yield
        finally:
            self._busy = False
