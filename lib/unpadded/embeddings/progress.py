"""Progress of an embedding job: documents/s, tokens/s and time left, on a terminal or in a notebook."""

import sys
import time

from fastprogress.fastprogress import IN_NOTEBOOK, format_time, progress_bar


class EmbeddingProgress:
    """A line on standard error where that is a terminal, fastai's bar in a notebook, otherwise nothing.

    `total`: documents to be encoded. `show` forces either choice.
    """

    def __init__(self, total: int, *, show: bool | None = None):
        self.total, self.documents, self.tokens = total, 0, 0
        self._start = self._drawn = time.monotonic()
        show = (IN_NOTEBOOK or sys.stderr.isatty()) if show is None else show
        self._bar = progress_bar(range(total), total=total) if show and IN_NOTEBOOK and total else None
        self._line = show and not IN_NOTEBOOK
        if self._bar is not None:
            self._bar.update(0)

    def update(self, tokens: int, documents: int = 1) -> None:
        """One more document, or `documents` of them, of so many tokens together, are done."""
        self.documents += documents
        self.tokens += tokens
        now = time.monotonic()
        if now - self._drawn >= 0.2 or self.documents == self.total:
            self._drawn = now
            self._draw()

    def close(self) -> None:
        """End the line."""
        if self._line:
            print(file=sys.stderr)

    @property
    def seconds(self) -> float:
        """Seconds since the beginning, more than 0."""
        return max(time.monotonic() - self._start, 1e-9)

    def __str__(self) -> str:
        left = format_time((self.total / self.documents - 1) * self.seconds) if self.documents else "?"
        return f"{self.documents:,}/{self.total:,} documents, {self.rates}, {left} left"

    @property
    def rates(self) -> str:
        """Documents and tokens per second."""
        return f"{self.documents / self.seconds:,.1f} documents/s, {self.tokens / self.seconds:,.0f} tokens/s"

    def _draw(self) -> None:
        if self._bar is not None:
            self._bar.comment = self.rates
            self._bar.update(self.documents)
        elif self._line:
            print(f"\r\033[K{self}", end="", file=sys.stderr, flush=True)
