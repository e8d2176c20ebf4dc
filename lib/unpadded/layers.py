"""Two ways to run an LSTM layer over a block of steps; an engine uses one of them, chosen by the size of the model.

Both take a block of inputs, return every h, and keep each slot's result a function of that slot alone.
"""

from collections.abc import Callable, Sequence

import torch

from .elementwise import tanh_for
from .products import PANEL, RowProduct
from .weights import LayerWeights

SPARE = 1024  # rows of a table that rare tokens may take; memory that is not written to is not held
_PROBE_STEPS = 3


class SteppedLayer:
    """A packed matrix product and a few elementwise operations a step: the faster way for wide layers.

    A document may start at any step. `dtype` is what the factors of the products are rounded to.
    """

    midway = True

    def __init__(self, weights: LayerWeights, *, n_in: int, dtype: torch.dtype):
        bias = (weights.input_bias + weights.recurrent_bias)[:, None]
        self.width, self.padded = weights.width, weights.padded
        self.input = RowProduct(weights.laid_out(weights.input, n_in), dtype=dtype)
        self.recurrent = RowProduct(weights.laid_out(weights.recurrent, weights.padded), dtype=dtype)
        self.bias = weights.laid_out(bias, 1)[:, 0].contiguous()
        self.work = 4 * self.padded * (n_in + self.padded)  # multiply-adds of a token

    def forget(self) -> None:
        """Forget which numbers of rows agree, as when the number of threads has changed."""
        self.input.forget()
        self.recurrent.forget()

    def run(
        self,
        inputs: Callable[[int], torch.Tensor],
        h: torch.Tensor,
        c: torch.Tensor,
        starts: Sequence[torch.Tensor | None],
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Run `len(starts)` steps; `inputs(t)` gives the input product [n_slots, 4 * padded] of step t.

        `h`, `c` [n_slots, padded] are the states before the first step; `starts[t]` is the index of the slots that begin
        a document at step t, or None. Returns every h [n_steps, n_slots, padded], the last h and the last c.
        """
        states = h.new_empty(len(starts), *h.shape)
        n = self.padded
        gates, scratch = c.new_empty(len(c), 4 * n), torch.empty_like(c)
        sigmoids = gates[:, : 3 * n]
        write, forget, read, candidate = gates.split(n, dim=1)
        tanh = tanh_for(c.device)
        for t, out in enumerate(states.unbind()):
            product = self.recurrent(h, self.bias)  # [n_slots, 4 * padded]
            if starts[t] is not None:
                # A new document has h = 0, whose product is nothing but the bias, and c = 0.
                product.index_copy_(0, starts[t], self.bias.expand(len(starts[t]), -1))
                c.index_fill_(0, starts[t], 0.0)
            torch.add(product, inputs(t), out=gates)
            sigmoids.sigmoid_()
            tanh(candidate, candidate)
            c.mul_(forget).addcmul_(write, candidate)
            torch.mul(read, tanh(c, scratch), out=out)
            h = out
        return states, h, c


class TokenInputs:
    """The first layer's input product, which depends on the token alone: computed once for the frequent tokens.

    fastai sorts a vocabulary by frequency, so the frequent tokens are the first `n_kept` ids. The other tokens of a
    block are computed once for each distinct id and stand behind them in the same table.
    """

    def __init__(self, embedding: torch.Tensor, product: RowProduct, *, n_bytes: int):
        self._embedding, self._product = embedding, product
        self._n_kept = min(len(embedding), max(n_bytes // (4 * product.n_out), 1))
        n_spare = min(SPARE, len(embedding) - self._n_kept)
        self._table = embedding.new_empty(self._n_kept + n_spare, product.n_out)
        frequent = zip(self._table[: self._n_kept].split(512), embedding[: self._n_kept].split(512), strict=True)
        for rows, tokens in frequent:  # in pieces, so that no second table is held
            rows.copy_(product.in_panels(tokens))

    def rows(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The table and the row of it for each of `ids`, an int64 tensor of any shape."""
        rare = ids >= self._n_kept
        if len(self._embedding) == self._n_kept or not rare.any():
            return self._table, ids
        distinct, place = torch.unique(ids[rare], return_inverse=True)
        if len(self._table) < self._n_kept + len(distinct):
            spare = -(-len(distinct) // 256) * 256
            self._table = torch.cat([self._table[: self._n_kept], self._table.new_empty(spare, self._product.n_out)])
        self._table[self._n_kept : self._n_kept + len(distinct)] = self._product.in_panels(self._embedding[distinct])
        return self._table, ids.masked_scatter(rare, place + self._n_kept)


class FusedLayer:
    """torch's LSTM kernel (oneDNN on the CPU), one call a block: the faster way for narrow layers.

    A document starts only between two blocks. Another number of slots than `PANEL` is tried before it is used, as in
    `RowProduct`, and done in groups of `PANEL` slots if it does not give the same bits.
    """

    midway = False

    def __init__(self, weights: LayerWeights):
        self.width = self.padded = weights.width
        self.n_in = weights.input.shape[1]
        self.work = 4 * self.width * (self.n_in + self.width)  # multiply-adds of a token
        self._weights = [weights.input, weights.recurrent, weights.input_bias, weights.recurrent_bias]
        self.forget()

    def forget(self) -> None:
        """Forget which numbers of slots agree, as when the number of threads has changed."""
        self._agrees: dict[int, bool] = {PANEL: True}

    def run(
        self, inputs: torch.Tensor, h: torch.Tensor, c: torch.Tensor, starts: Sequence[torch.Tensor | None]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Run the block `inputs` [n_steps, n_slots, n_in]; else as in `SteppedLayer`."""
        if starts[0] is not None:
            h, c = (state.index_fill(0, starts[0], 0.0) for state in (h, c))
        if self.agrees(len(h)):
            return self._run(inputs, h, c)
        parts = []
        for start in range(0, len(h), PANEL):
            rows = slice(start, start + PANEL)
            parts.append(
                self._run(*(_filled_up(x, dim) for x, dim in ((inputs[:, rows], 1), (h[rows], 0), (c[rows], 0))))
            )
        states, h, c = (torch.cat(part, dim) for part, dim in zip(zip(*parts, strict=True), (1, 0, 0), strict=True))
        return states[:, : len(inputs[0])], h[: len(inputs[0])], c[: len(inputs[0])]

    def _run(self, inputs: torch.Tensor, h: torch.Tensor, c: torch.Tensor):
        states, h, c = torch.lstm(inputs, (h[None], c[None]), self._weights, True, 1, 0.0, False, False, False)
        return states, h[0], c[0]

    def agrees(self, n_slots: int) -> bool:
        """Whether a block of `n_slots` slots gives every slot the bits that one of `PANEL` slots gives it."""
        if n_slots not in self._agrees:
            generator = torch.Generator().manual_seed(n_slots)
            x = torch.rand(_PROBE_STEPS, 3, self.n_in, generator=generator).mul_(2).sub_(1).to(self._weights[0].device)
            place = torch.arange(max(n_slots, PANEL), device=x.device) % 3
            expected = self._tried(x[:, place[:PANEL]])[:, :3]
            whole, step = self._tried(x[:, place[:n_slots]]), self._tried(x[:1, place[:n_slots]])
            same = (part == expected[: len(part), place[:n_slots]] for part in (whole, step))
            self._agrees[n_slots] = all(bool(part.all()) for part in same)
        return self._agrees[n_slots]

    def _tried(self, x: torch.Tensor) -> torch.Tensor:
        zeros = x.new_zeros(x.shape[1], self.width)
        return self._run(x, zeros, zeros)[0]


def _filled_up(x: torch.Tensor, dim: int) -> torch.Tensor:
    """`x` with zeros behind it up to `PANEL` along `dim`."""
    size = list(x.shape)
    size[dim] = PANEL - size[dim]
    return torch.cat([x, x.new_zeros(size)], dim)
