"""One direction of a language model, as an encoder runs it over documents."""

import warnings
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from unpadded.common import InputError, MissingExtraError, extras_needed
from unpadded.encoding.engine.stream import StreamingLSTM
from unpadded.encoding.engine.weights import versions
from unpadded.encoding.pooling import PoolSettings
from unpadded.encoding.schedule import Backlog

NARROW = 200  # units; up to here compiled code is faster than a matrix library's calls (benchmarks/README.md)


class Reader:
    """Runs a model over documents; a backward model gets each document from its last token to its first.

    That is what fastai's `reverse_text` does: the marker xxbos, first of a document, is the last that such a model reads.
    `lm`: a `LanguageModel`; `layer`: an index or "all". The engine is made anew when the model has been trained on since.
    """

    def __init__(self, lm, layer: int | str, *, dtype: torch.dtype, device: torch.device, allow_tf32: bool):
        self.lm, self._options = lm, {"dtype": dtype, "device": device, "allow_tf32": allow_tf32}
        self._engine = self._versions = None
        self._current_engine()
        self.layers = _layer_indices(layer, len(lm.awd_lstm.rnns))

    def __getstate__(self) -> dict:
        return {**vars(self), "_engine": None, "_versions": None}  # packed weights stay behind

    @property
    def width(self) -> int:
        """Length of a pooled vector: the layers' side by side."""
        return sum(self.lm.awd_lstm.rnns[n].module.hidden_size for n in self.layers)

    def run(
        self,
        backlogs: Iterator[Backlog],
        parts,
        *,
        slots: int | None,
        chunk_length: int | None,
        weights: np.ndarray | None,
    ) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """Yield (positions, {part: float32 [n, width]}) as documents end; `weights` are those of the weighted mean."""
        engine = self._current_engine()
        on_device = None if weights is None else torch.from_numpy(weights).to(engine.device)
        pools = PoolSettings(parts, self.layers, on_device)
        as_read = (replace(backlog, tokens=self.lm.as_read(backlog.tokens)) for backlog in backlogs)
        shape = {"slots": slots, "chunk_length": chunk_length} if isinstance(engine, StreamingLSTM) else {}
        yield from engine.read(as_read, pools, **shape)

    def _current_engine(self):
        now = versions(self.lm.awd_lstm)
        if self._engine is None or self._versions != now:
            self._engine = _engine(self.lm.awd_lstm, **self._options)
            self._versions = now
        self._engine.use_threads(torch.get_num_threads())
        return self._engine


def _engine(awd_lstm, *, dtype: torch.dtype, device: torch.device, allow_tf32: bool):
    """The engine for a model of this size, on this device."""
    narrow = max(getattr(rnn, "module", rnn).hidden_size for rnn in awd_lstm.rnns) <= NARROW
    if narrow and device.type == "cpu" and dtype == torch.float32:
        try:
            with extras_needed():  # here, because the compiler takes as long to import as all the rest
                from unpadded.encoding.engine.narrow import CompiledLSTM

            return CompiledLSTM(awd_lstm)
        except MissingExtraError as error:
            warnings.warn(f"{error} Until then a narrow model is read more slowly.", stacklevel=2)
    return StreamingLSTM(awd_lstm, dtype=dtype, device=device, allow_tf32=allow_tf32)


def _layer_indices(layer: int | str, n_layers: int) -> tuple[int, ...]:
    if layer == "all":
        return tuple(range(n_layers))
    if isinstance(layer, bool) or not isinstance(layer, (int, np.integer)) or not -n_layers <= layer < n_layers:
        raise InputError(f"The option layer is {layer!r}: give 'all' or an index into the model's {n_layers} layers.")
    return (int(layer) % n_layers,)
