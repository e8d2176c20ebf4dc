"""The truth that Unpadded's encoder is held against: fastai's own encoder on each document alone, pooled in the plain way."""

from collections.abc import Sequence

import numpy as np
import torch
from fastai.text.models.awdlstm import AWD_LSTM

from unpadded.common import CONCAT
from unpadded.encoding.direction import Reader
from unpadded.encoding.encoder import DocumentEncoder
from unpadded.encoding.pooling import parts_of
from unpadded.model import encoder_like


@torch.no_grad()
def fastai_vectors(encoder: DocumentEncoder, documents: Sequence[np.ndarray]) -> np.ndarray:
    """The same vectors from fastai's own encoder, one document at a time, in float32 on the CPU."""
    loops = [_Loop(reader) for reader in encoder.readers]
    vectors = np.zeros((len(documents), encoder.width), np.float32)
    for i, tokens in enumerate(documents):
        if len(tokens):
            vectors[i] = _pooled(encoder, [found for loop in loops for found in loop.states(tokens)])
    return vectors


class _Loop:
    """fastai's own encoder on a copy of one direction's model, a document at a time."""

    def __init__(self, reader: Reader):
        self._reader, self._twin = reader, twin_of(reader.lm.awd_lstm)
        self._states: list[torch.Tensor] = []
        for rnn in self._twin.rnns:
            rnn.register_forward_hook(lambda module, args, output: self._states.append(output[0][0].double()))

    def states(self, tokens: np.ndarray) -> list[tuple[torch.Tensor, np.ndarray]]:
        """For each pooled layer its states [n_tokens, width], float64, and the tokens in the order they were read in."""
        read = self._reader.lm.as_read([tokens])[0].astype(np.int64)
        self._states.clear()
        self._twin.reset()
        self._twin(torch.from_numpy(read)[None])  # the hooks keep each layer's states
        return [(self._states[n], read) for n in self._reader.layers]


def twin_of(awd_lstm: AWD_LSTM) -> AWD_LSTM:
    """A copy that may be run: running the module itself would change the hidden state that its owner left in it."""
    twin = encoder_like(awd_lstm)
    twin.load_state_dict(awd_lstm.state_dict())
    return twin.eval()


def _pooled(encoder: DocumentEncoder, states: list[tuple[torch.Tensor, np.ndarray]]) -> np.ndarray:
    """Pool whole state matrices [n_tokens, width], float64, in the plain way; those of a pooling stand side by side."""

    def weighted_mean(h: torch.Tensor, tokens: np.ndarray) -> torch.Tensor:
        assert encoder.token_weights is not None  # or else it could not have encoded
        weights = torch.from_numpy(encoder.token_weights[tokens])[:, None]
        return (h * weights).sum(0) / (weights.sum() or 1.0)

    ways = {
        "last": lambda h, _: h[-1],
        "mean": lambda h, _: h.mean(0),
        "max": lambda h, _: h.amax(0),
        "weighted_mean": weighted_mean,
    }
    names = CONCAT if encoder.pooling == "concat" else parts_of([encoder.pooling])
    return torch.cat([ways[name](h, tokens) for name in names for h, tokens in states]).float().numpy()
