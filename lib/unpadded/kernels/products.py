"""Matrix products in which a row's result depends on nothing but the row.

A matrix library picks its kernel by the number of rows, and another kernel adds up in another order: the same row times
the same matrix then differs in its last bits between a batch of 16 and a batch of 256. `RowProduct` takes a product of
exactly `PANEL` rows as the reference, tries every other number of rows against it before using it, and computes those
that differ in panels of the reference's shape.
"""

import torch
from torch.nn.functional import linear

from unpadded.kernels.cpu import has_packed_mkl, onednn_has_bfloat16, onednn_is_fast

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16, "int8": torch.int8}
PANEL = 64  # rows of the reference product
_PROBES = 3  # distinct rows tried in every position (not a power of two: each one meets each place of a kernel's tile)


class RowProduct:
    """`x @ weight.T + bias`, float32 in and out, with the weight packed once for the matrix library.

    `weight`: [n_out, n_in] on any device; `dtype`: what the factors are rounded to (float32, bfloat16 or float16).
    """

    def __init__(self, weight: torch.Tensor, *, dtype: torch.dtype = torch.float32):
        self.n_out, self.n_in = weight.shape
        self.device = weight.device
        self._multiply = packed_product(weight, dtype)
        # (torch's threads, number of rows) -> same bits as the reference; a product may split its sums among threads.
        self._agrees: dict[tuple[int, int], bool] = {}

    def __call__(self, x: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        """The product of `x` [n_rows, n_in], as a new tensor [n_rows, n_out]."""
        if self.agrees(x.shape[0]):
            return self._multiply(x, bias)
        return self.in_panels(x, bias)

    def in_panels(self, x: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        """The same in products of the reference's shape, whatever the number of rows."""
        out = x.new_empty(x.shape[0], self.n_out, dtype=torch.float32)
        for start in range(0, x.shape[0], PANEL):
            panel = x[start : start + PANEL]
            if len(panel) < PANEL:
                panel = torch.cat([panel, panel.new_zeros(PANEL - len(panel), self.n_in)])
            out[start : start + PANEL] = self._multiply(panel, bias)[: x.shape[0] - start]
        return out

    def agrees(self, n_rows: int) -> bool:
        """Whether one product of `n_rows` rows gives every row the bits that the reference gives it (tried once)."""
        key = torch.get_num_threads(), n_rows
        if n_rows != PANEL and key not in self._agrees:  # two threads that try it at once find the same
            generator = torch.Generator().manual_seed(n_rows)  # its own: the caller's random state stays as it is
            rows = torch.rand(_PROBES, self.n_in, generator=generator).mul_(2).sub_(1).to(self.device)
            place = torch.arange(max(n_rows, PANEL), device=self.device) % _PROBES
            expected = self._multiply(rows[place[:PANEL]], None)[:_PROBES]
            found = self._multiply(rows[place[:n_rows]], None)
            parts = zip(found.split(PANEL), place[:n_rows].split(PANEL), strict=True)  # in parts, to hold little
            self._agrees[key] = all(bool((part == expected[at]).all()) for part, at in parts)
        return n_rows == PANEL or self._agrees[key]


def packed_product(weight: torch.Tensor, dtype: torch.dtype):
    """A function (x, bias) -> x @ weight.T + bias in the fastest way that this machine has."""
    if weight.device.type == "cpu" and dtype == torch.float32 and onednn_is_fast():
        return _packed_onednn(weight)
    if weight.device.type == "cpu" and dtype == torch.float32 and has_packed_mkl():
        return _packed_mkl(weight)
    if dtype == torch.float32:
        rounded = weight.to(dtype, copy=True)
        return lambda x, bias: linear(x, rounded, bias)
    multiply = packed_low_product(weight, dtype)
    return lambda x, bias: _add(multiply(x.to(dtype)).float(), bias)


def packed_low_product(weight: torch.Tensor, dtype: torch.dtype):
    """A function x -> x @ weight.T for `x` in `dtype`, bfloat16 or float16; float32 sums, rounded to `dtype` at the end."""
    if weight.device.type == "cpu" and dtype == torch.bfloat16 and onednn_has_bfloat16():
        return _packed_onednn(weight.to(dtype))
    rounded = weight.to(dtype, copy=True)
    return lambda x: linear(x, rounded)


def _packed_mkl(weight: torch.Tensor):
    """MKL with the weight packed: at few rows several times as fast as packing it again in every product.

    The packed form does not hold the number of rows, which torch nevertheless asks for; `RowProduct.agrees` tries every
    number before it is used. torch's third argument only tells the shape, so it may be a view without memory.
    """
    packed = torch.ops.mkl._mkl_reorder_linear_weight(weight, PANEL)
    shape = torch.empty(()).expand(weight.shape)
    return lambda x, bias: torch.ops.mkl._mkl_linear(x, packed, shape, bias, x.shape[0])


def _packed_onednn(weight: torch.Tensor):
    """oneDNN's product, in the weight's own dtype, with the weight packed, for any number of rows."""
    packed = torch.ops.mkldnn._reorder_linear_weight(weight, None)
    multiply = torch.ops.mkldnn._linear_pointwise
    return lambda x, bias=None: multiply(x, packed, bias, "none", [], "")


def _add(x: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    return x if bias is None else x.add_(bias)
