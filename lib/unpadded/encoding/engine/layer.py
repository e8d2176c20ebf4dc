"""An LSTM layer over a block of steps, each slot's result a function of that slot alone, and the inputs of the first layer."""

from collections.abc import Callable, Sequence

import torch

from unpadded.encoding.engine.weights import LayerWeights
from unpadded.kernels import RowProduct, tanh_for


class SteppedLayer:
    """A packed matrix product and a few elementwise operations a step; `dtype` is what the factors are rounded to."""

    def __init__(self, weights: LayerWeights, *, n_in: int, dtype: torch.dtype):
        bias = (weights.input_bias + weights.recurrent_bias)[:, None]
        self.width, self.padded = weights.width, weights.padded
        self.input = RowProduct(weights.laid_out(weights.input, n_in), dtype=dtype)
        self.recurrent = RowProduct(weights.laid_out(weights.recurrent, weights.padded), dtype=dtype)
        self.bias = weights.laid_out(bias, 1)[:, 0].contiguous()
        self.work = 4 * self.padded * (n_in + self.padded)  # multiply-adds of a token

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
        i, f, o, g = gates.split(n, dim=1)
        tanh = tanh_for(c.device)
        for t, out in enumerate(states.unbind()):
            product = self.recurrent(h, self.bias)  # [n_slots, 4 * padded], gates i, f, o, g
            if starts[t] is not None:
                # A new document has h = 0, whose product is nothing but the bias, and c = 0.
                product.index_copy_(0, starts[t], self.bias.expand(len(starts[t]), -1))
                c.index_fill_(0, starts[t], 0.0)
            torch.add(product, inputs(t), out=gates)
            sigmoids.sigmoid_()
            tanh(g, g)
            c.mul_(f).addcmul_(i, g)
            torch.mul(o, tanh(c, scratch), out=out)
            h = out
        return states, h, c


class TokenInputs:
    """The first layer's input product, which depends on the token alone: computed once for the frequent tokens.

    fastai sorts a vocabulary by frequency, so the frequent tokens are the first `n_kept` ids. The other tokens of a
    block are computed once for each distinct id. The table is written when it is made and only read afterwards.
    """

    def __init__(self, embedding: torch.Tensor, product: RowProduct, *, n_bytes: int):
        self._embedding, self._product = embedding, product
        self._n_kept = min(len(embedding), max(n_bytes // (4 * product.n_out), 1))
        self._table = embedding.new_empty(self._n_kept, product.n_out)
        frequent = zip(self._table.split(512), embedding[: self._n_kept].split(512), strict=True)
        for rows, tokens in frequent:  # in pieces, so that no second table is held
            rows.copy_(product.in_panels(tokens))

    def steps(self, ids: torch.Tensor) -> Callable[[int], torch.Tensor]:
        """A function from a step t to the inputs [n_slots, n_out] of `ids[t]`, valid until it is called again.

        `ids`: int64 [n_steps, n_slots].
        """
        out = self._table.new_empty(ids.shape[1], self._table.shape[1])
        rare = ids >= self._n_kept
        if len(self._embedding) == self._n_kept or not rare.any():
            rows = ids.unbind()
            return lambda t: torch.index_select(self._table, 0, rows[t], out=out)
        step, slot = rare.nonzero(as_tuple=True)
        distinct, place = torch.unique(ids[rare], return_inverse=True)
        products = self._product.in_panels(self._embedding[distinct])
        cuts = torch.searchsorted(step, torch.arange(len(ids) + 1, device=ids.device)).tolist()
        rows = ids.masked_fill(rare, 0).unbind()

        def inputs(t: int) -> torch.Tensor:
            torch.index_select(self._table, 0, rows[t], out=out)
            own = slice(cuts[t], cuts[t + 1])
            return out.index_copy_(0, slot[own], products[place[own]]) if cuts[t] < cuts[t + 1] else out

        return inputs
