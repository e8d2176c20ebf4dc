"""Windows of a token stream for language-model training, in an order that a resumed run can take up anywhere."""

from collections.abc import Iterator

import numpy as np
import torch

from unpadded.common import InputError
from unpadded.tokens import TokenizedCorpus
from unpadded.training.distributed import n_processes, rank


class StreamLoader:
    """Windows of consecutive tokens from `batch_size` parallel streams.

    Each pass joins the documents in an order drawn from (`seed`, pass number), cuts the result into `batch_size` equal
    streams and yields `(x, y, y)`, int64 tensors [batch_size, window] with y one token ahead of x: the model takes x and y
    (its loss needs the targets), fastai's loss function the second y. Window t + 1 continues window t, so the recurrent
    state may be carried over. `start` skips windows of the first pass that is read, which is how a run is resumed. Of
    several processes that train together each yields its share of the streams.
    """

    def __init__(
        self,
        corpus: TokenizedCorpus,
        *,
        batch_size: int,
        window: int,
        seed: int = 0,
        shuffle: bool = True,
        device="cpu",
    ):
        self.corpus, self.window, self.seed, self.shuffle = corpus, window, seed, shuffle
        if batch_size % n_processes():
            raise InputError(
                f"The batch size {batch_size} cannot be divided among {n_processes()} processes: give a multiple."
            )
        self.batch_size = min(batch_size, max((len(corpus.ids) - 1) // 2, 1) * n_processes())
        self.batch_size -= self.batch_size % n_processes()
        self.stream_length = (len(corpus.ids) - 1) // self.batch_size
        if self.stream_length < 1:
            raise InputError(f"The corpus has {len(corpus.ids)} tokens, too few to train on: give it more documents.")
        self.device = torch.device(device)
        self.passes = self.start = 0

    def __len__(self) -> int:
        return -(-self.stream_length // self.window)

    @property
    def n_tokens(self) -> int:
        """Tokens predicted in one pass."""
        return self.stream_length * self.batch_size

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        stream = self._stream(self.passes)
        first, self.start = self.start, 0
        self.passes += 1
        size = self.stream_length
        rows = stream[: size * self.batch_size].view(self.batch_size, size)
        targets = stream[1 : size * self.batch_size + 1].view(self.batch_size, size)
        share = self.batch_size // n_processes()
        own = slice(rank() * share, (rank() + 1) * share)
        for begin in range(first * self.window, size, self.window):
            x, y = (part[own, begin : begin + self.window].to(self.device, torch.int64) for part in (rows, targets))
            yield x, y, y

    def to(self, device) -> "StreamLoader":
        """Yield tensors on `device` from now on (fastai's DataLoaders call this)."""
        self.device = torch.device(device)
        return self

    def _stream(self, pass_number: int) -> torch.Tensor:
        order = np.arange(len(self.corpus))
        if self.shuffle:
            np.random.default_rng((self.seed, pass_number)).shuffle(order)
        return torch.from_numpy(self.corpus.select(order).ids)
