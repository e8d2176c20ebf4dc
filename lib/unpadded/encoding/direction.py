"""One direction of a language model, as an encoder runs it over documents."""

import warnings
from collections.abc import Generator, Iterator
from dataclasses import replace

import numpy as np
import torch

from unpadded.common import MAKING, InputError, MissingExtraError, computed, extras_needed, iterated
from unpadded.encoding.engine.stream import StreamingLSTM
from unpadded.encoding.engine.weights import versions
from unpadded.encoding.pooling import PoolSettings
from unpadded.encoding.schedule import Backlog
from unpadded.kernels import bfloat16_is_fast
from unpadded.model import check_finite

NARROW = 128  # units; up to here a step is so little work that torch's calls would take longer


class Reader:
    """Runs a model over documents; a backward model gets each document from its last token to its first.

    That is what fastai's `reverse_text` does: the marker xxbos, first of a document, is the last that such a model reads.
    `lm`: a `LanguageModel`; `layer`: an index or "all". The engine is made anew when the model has been trained on since.
    """

    def __init__(self, lm, layer: int | str, *, dtype: torch.dtype, device: torch.device, allow_tf32: bool):
        self.lm, self._options = lm, {"dtype": dtype, "device": device, "allow_tf32": allow_tf32}
        self._made: tuple | None = None  # the engine, and the versions of the weights that it was made from
        computed(self.engine)
        self.layers = _layer_indices(layer, len(lm.awd_lstm.rnns))

    def __getstate__(self) -> dict:
        return {**vars(self), "_made": None}  # packed weights stay behind

    @property
    def width(self) -> int:
        """Length of a pooled vector: the layers' side by side."""
        return sum(self.lm.awd_lstm.rnns[n].module.hidden_size for n in self.layers)

    def run(
        self,
        backlogs: Iterator[Backlog],
        parts,
        *,
        weights: np.ndarray | None,
        **configuration: int | None,
    ) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """Yield (positions, {part: float32 [n, width]}) as documents end; `weights` are those of the weighted mean.

        `configuration`: options of the engine's `read`; those that the model's engine does not have mean nothing to it.
        """
        yield from iterated(self._run(backlogs, parts, weights, configuration))

    def _run(self, backlogs, parts, weights, configuration) -> Generator[tuple]:
        engine = self.engine()
        on_device = None if weights is None else torch.from_numpy(weights).to(engine.device)
        pools = PoolSettings(parts, self.layers, on_device)
        as_read = (replace(backlog, tokens=self.lm.as_read(backlog.tokens)) for backlog in backlogs)
        known = engine.CONFIGURATIONS[0]
        yield from engine.read(as_read, pools, **{name: n for name, n in configuration.items() if name in known})

    def engine(self):
        """The engine for the weights that the model has now."""
        now, made = versions(self.lm.awd_lstm), self._made
        if made is None or made[1] != now:
            with MAKING:
                made = self._made
                if made is None or made[1] != now:
                    made = self._made = _engine(self.lm.awd_lstm, **self._options), now
        return made[0]


def _engine(awd_lstm, *, dtype: torch.dtype, device: torch.device, allow_tf32: bool):
    """The engine for a model of this size, on this device."""
    check_finite(awd_lstm)
    narrow = dtype == torch.float32 and is_narrow(awd_lstm)
    if device.type == "cpu" and dtype != torch.float16:
        try:
            with extras_needed():  # here, because the compiler takes as long to import as all the rest
                from unpadded.encoding.engine.narrow import CompiledLSTM
                from unpadded.encoding.engine.tiled import TiledLSTM, has_tiles
        except MissingExtraError as error:
            if dtype == torch.int8:
                raise
            if narrow:
                warnings.warn(f"{error} Until then a narrow model is read more slowly.", stacklevel=2)
        else:
            if has_tiles(dtype):
                return TiledLSTM(awd_lstm, dtype=dtype)
            if narrow:
                return CompiledLSTM(awd_lstm)
    if dtype == torch.int8:
        raise InputError(
            "Precision 'int8' needs a CPU that multiplies bytes (AVX-512-VNNI or AVX-VNNI): give 'float32'."
        )
    return StreamingLSTM(awd_lstm, dtype=dtype, device=device, allow_tf32=allow_tf32)


def fastest_precision(lm, device: torch.device) -> str:
    """The precision in which a model of this size is read fastest on this device: what "auto" stands for.

    Its price was measured for every one of them (`benchmarks/precisions.py`). Narrow models, which were not measured, are read
    at more than a million tokens a second as they are.
    """
    if device.type != "cpu" or is_narrow(lm.awd_lstm):
        return "float32"
    if multiplies_bytes():
        return "int8"
    return "bfloat16" if bfloat16_is_fast() else "float32"


def multiplies_bytes() -> bool:
    """Whether there are the compiler and the processor for int8."""
    try:
        with extras_needed():
            from unpadded.encoding.engine.tiled import has_tiles
    except MissingExtraError:
        return False
    return has_tiles(torch.int8)


def is_narrow(awd_lstm) -> bool:
    """Whether every layer has so few units that, without tiles, documents are read side by side rather than in slots."""
    layers = (getattr(rnn, "module", rnn) for rnn in awd_lstm.rnns)
    return max(getattr(layer, "hidden_size", 0) for layer in layers) <= NARROW  # what is no LSTM, its engine will name


def _layer_indices(layer: int | str, n_layers: int) -> tuple[int, ...]:
    if layer == "all":
        return tuple(range(n_layers))
    if isinstance(layer, bool) or not isinstance(layer, (int, np.integer)) or not -n_layers <= layer < n_layers:
        raise InputError(f"The option layer is {layer!r}: give 'all' or an index into the model's {n_layers} layers.")
    return (int(layer) % n_layers,)
