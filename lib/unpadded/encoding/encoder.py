"""The verb *encode*: documents in, vectors out, each as if its document were alone."""

import copy
import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from fastai.imports import progress_bar

from unpadded.common import CONCAT, InputError, computed
from unpadded.encoding.direction import Reader, fastest_precision
from unpadded.encoding.pooling import parts_of
from unpadded.encoding.schedule import Backlog, backlogs_ahead, backlogs_of
from unpadded.encoding.validation import (
    checked_count,
    checked_device,
    checked_documents,
    checked_skips,
    checked_tokens,
)
from unpadded.kernels import PRECISIONS

AUTO = "auto"  # a precision: the one in which this processor reads the model fastest


class DocumentEncoder:
    """Turns documents into vectors; a document's vector never depends on what it is encoded with.

    `lm`: a `LanguageModel`. The module is read and never run; when it is trained on, the encoder follows. With a model of
    both directions each pooling has the forward and the backward model's vector side by side.
    `pooling`: "last", "mean", "max", "weighted_mean" or "concat" (last, mean and max side by side).
    `precision`: what the factors of the matrix products are rounded to: "float32", "bfloat16", on CUDA "float16", on a CPU
    that multiplies bytes "int8" (each row of weights and each state by a scale of its own; the sums are exact); "auto" is
    the one of them in which this processor reads a model of this size fastest, and the attribute `precision` says which.
    `layer`: whose states are pooled, an index, or "all" for every layer's side by side. `token_weights`: float array
    [vocabulary] for the weighted mean, e.g. inverse document frequencies. `device`: where to compute, the CPU unless said.
    `slots` (documents in flight) and `chunk_length` (steps of a block) are chosen from the model and the documents, and never
    change a vector. Raises `InputError` for an unknown name, a device that is not there, a model that cannot be streamed and
    weights that are not finite.

    One encoder may be used by any number of threads at once, and each gets the bits that it would get alone: threads share
    the weights and tables made of them, which are only read; states, pools and buffers belong to a call. Only training the
    model while it encodes is not safe. An encoder, or its bound method `encode`, may be sent to another process (packed
    weights are made there anew), copied, and used in a forked process.
    """

    def __init__(
        self,
        lm,
        pooling: str = "mean",
        precision: str = "float32",
        *,
        layer: int | str = -1,
        token_weights: np.ndarray | None = None,
        device: str | torch.device = "cpu",
        slots: int | None = None,
        chunk_length: int | None = None,
        allow_tf32: bool = False,
    ):
        if precision not in (*PRECISIONS, AUTO):
            raise InputError(f"Precision {precision!r} is not known: give {', '.join(PRECISIONS)} or {AUTO}.")
        parts_of([pooling])
        self.device, self.allow_tf32 = checked_device(device), allow_tf32
        if precision == AUTO:
            precision = fastest_precision(lm, self.device)
        self.lm, self.pooling, self.precision, self.layer = lm, pooling, precision, layer
        if precision == "float16" and self.device.type != "cuda":
            raise InputError(f"Precision 'float16' is CUDA's alone, and the device is {device}: give 'bfloat16'.")
        if precision == "int8" and self.device.type != "cpu":
            raise InputError(f"Precision 'int8' is the CPU's alone, and the device is {device}: give 'float16'.")
        self._configuration = _checked_configuration(slots=slots, chunk_length=chunk_length)
        options = {"dtype": PRECISIONS[precision], "device": self.device, "allow_tf32": allow_tf32}
        self.readers = [Reader(model, layer, **options) for model in lm.directions]
        self.layers = self.readers[0].layers
        self._vocab_size = len(lm.vocab)
        self.token_weights = _checked_weights(token_weights, self._vocab_size)

    @property
    def width(self) -> int:
        """Length of a vector with the encoder's own pooling, in numbers."""
        return self._state_width * (len(CONCAT) if self.pooling == "concat" else 1)

    @property
    def _state_width(self) -> int:
        return sum(reader.width for reader in self.readers)

    def variant(self, **configuration: int | None) -> "DocumentEncoder":
        """This encoder with other `slots` and `chunk_length`, or other options of its engine; the weights are shared.

        Raises `InputError` for a number below 1.
        """
        other = copy.copy(self)
        other._configuration = _checked_configuration(**configuration)
        return other

    def variants(self) -> Iterator[tuple[dict[str, int | None], "DocumentEncoder"]]:
        """This encoder in every way of working that its engine has, each with its options; none changes a vector.

        They are what can make a difference to the engine: slots and steps of a block, or tokens of a piece and threads where
        a narrow model is read without vector registers; None stands for what the engine chooses.
        """
        for configuration in computed(self.readers[0].engine).CONFIGURATIONS:
            yield configuration, self.variant(**configuration)

    def weighted(self, token_weights: np.ndarray) -> "DocumentEncoder":
        """This encoder with other `token_weights`, float array [vocabulary]; the model's weights are shared.

        Raises `InputError` for another length, and for weights that are negative or not finite.
        """
        other = copy.copy(self)
        other.token_weights = _checked_weights(token_weights, self._vocab_size)
        return other

    def encode(self, texts, *, show_progress_bar: bool | None = None, batch_size: int | None = None) -> np.ndarray:
        """Vectors of `texts`, float32 [n_documents, width] in the order given; of a single str, float32 [width].

        `texts`: any iterable of str (list, generator, pandas Series, numpy object array). `batch_size`: documents in
        flight, which changes the speed and never a vector. Raises `InputError` for anything that is not a str, for tables
        and dicts, and for a `batch_size` below 1.
        """
        if isinstance(texts, str):
            return self.encode([texts], show_progress_bar=show_progress_bar, batch_size=batch_size)[0]
        encoder = self.with_batch_size(batch_size)
        tokens = self.lm.numericalize(texts)
        return encoder._encode(tokens, [self.pooling], progress=bool(show_progress_bar))[self.pooling]

    def with_batch_size(self, batch_size: int | None) -> "DocumentEncoder":
        """This encoder with at most `batch_size` documents in flight, unchanged for None; `InputError` for one below 1."""
        if batch_size is None:
            return self
        return self.variant(**self._configuration | {"slots": checked_count(batch_size, "batch_size")})

    def encode_tokens(self, token_ids: Sequence, *, pooling: str | Sequence[str] | None = None, skip=None):
        """Vectors of numericalised documents, float32 [n_documents, width], or a dict of arrays for several poolings.

        `token_ids`: a sequence of 1-D integer arrays. All poolings come from one pass. A document without tokens gets
        zeros. `skip`, integers [n_documents]: how many of the tokens read first are not pooled. Raises
        `InputError` that names the document for ids that are no 1-D integers or not in the vocabulary.
        """
        names = (
            [self.pooling if pooling is None else pooling] if pooling is None or isinstance(pooling, str) else pooling
        )
        arrays = self._encode(token_ids, list(names), skip=skip)
        return arrays[names[0]] if pooling is None or isinstance(pooling, str) else arrays

    def stream_tokens(
        self, token_ids: Iterable, *, pooling: Sequence[str] | None = None
    ) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
        """Yield (position, {part: float32 [width]}) for each document as it finishes, in any order.

        The parts are last, mean, max or weighted_mean, those that `pooling` (default: the encoder's) is made of. Only a
        backlog of the documents and the documents in flight are held. Raises `InputError` as `encode_tokens` does.
        """
        parts = parts_of([self.pooling] if pooling is None else list(pooling))
        documents = (checked_tokens(tokens, i, self._vocab_size) for i, tokens in enumerate(token_ids))
        copies = itertools.tee(documents, len(self.readers))
        streams = [self._one_by_one(*both, parts) for both in zip(self.readers, copies, strict=True)]
        halves: dict[int, dict] = {}  # documents that not every direction has finished
        for finished in zip(*streams, strict=True):
            for direction, (position, pooled) in enumerate(finished):
                found = halves.setdefault(position, {})
                found[direction] = pooled
                if len(found) == len(streams):
                    del halves[position]
                    yield position, {p: np.concatenate([found[d][p] for d in sorted(found)]) for p in parts}

    def _one_by_one(self, reader: Reader, documents: Iterable, parts) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
        empty: list[int] = []
        for positions, arrays in self._stream(reader, backlogs_ahead(documents, empty), parts):
            for row, position in enumerate(positions.tolist()):
                yield position, {part: array[row] for part, array in arrays.items()}
        for position in empty:
            yield position, {part: np.zeros(reader.width, np.float32) for part in parts}

    def _encode(self, token_ids: Sequence, names: list[str], *, skip=None, progress=False) -> dict[str, np.ndarray]:
        parts = parts_of(names)
        documents = checked_documents(token_ids, self._vocab_size)
        lengths = np.fromiter(map(len, documents), np.int64, len(documents))
        skips = None if skip is None else checked_skips(skip, lengths)
        widths = [reader.width for reader in self.readers]
        size = (len(documents), sum(widths))
        # concat is filled in place: its parts are views of it, so that nothing is held twice.
        concat = np.zeros((size[0], len(CONCAT), size[1]), np.float32) if "concat" in names else None
        within = CONCAT if "concat" in names else ()
        out = {
            part: np.zeros(size, np.float32) if concat is None or part not in within else concat[:, within.index(part)]
            for part in parts
        }
        n_ticks = len(documents) * len(self.readers)
        ticks, columns = iter(progress_bar(range(n_ticks), leave=False) if progress and documents else ()), 0
        for reader, width in zip(self.readers, widths, strict=True):
            own = slice(columns, columns + width)
            columns = own.stop
            for positions, arrays in self._stream(reader, backlogs_of(documents, lengths, skips), parts):
                for part, array in arrays.items():
                    out[part][positions, own] = array
                for _ in range(len(positions) if progress else 0):
                    next(ticks, None)
        next(ticks, None)  # past the end, which takes the bar away
        if concat is not None:
            out["concat"] = (
                concat.reshape(len(documents), -1) if documents else np.zeros((0, len(CONCAT) * size[1]), np.float32)
            )
        return {name: out[name] for name in names}

    def _stream(self, reader: Reader, backlogs: Iterator[Backlog], parts) -> Iterator[tuple[np.ndarray, dict]]:
        """Yield (positions, {part: array [n, width of one direction]}) as documents end."""
        if "weighted_mean" in parts and self.token_weights is None:
            raise InputError("The weighted mean needs token_weights: give DocumentEncoder one number for each token.")
        yield from reader.run(backlogs, parts, weights=self.token_weights, **self._configuration)


def _checked_configuration(**options: int | None) -> dict[str, int | None]:
    return {name: None if value is None else checked_count(value, name) for name, value in options.items()}


def _checked_weights(weights, vocab_size: int) -> np.ndarray | None:
    if weights is None:
        return None
    array = np.array(weights, np.float64)
    if array.shape != (vocab_size,) or not np.isfinite(array).all() or (array < 0).any():
        raise InputError(f"The token weights must be {vocab_size} finite numbers of at least 0, one for each token.")
    return array
