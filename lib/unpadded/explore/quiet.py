"""Widgets that are changed by their owner: what they then report asks for nothing."""

from collections.abc import Iterator
from contextlib import contextmanager


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
