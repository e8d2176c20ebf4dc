"""How others turn documents into vectors with the same LSTM, written from the methods' descriptions.

Every method takes a fastai AWD_LSTM in evaluation mode and a list of int64 tensors, and returns last, mean and max of the
last layer's states side by side, float32 [n_documents, 3 * width], in the order given. `size` is the documents of a batch.
"""

import numpy as np
import torch
from fastai.text.models.core import SentenceEncoder, masked_concat_pool
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

from unpadded.encoding import BPTT
from unpadded.studies.padding.fastai_batches import chunk_batch, sorted_batches

PAD = 1
MOST_PADDED = 60_000  # tokens of a batch, padding among them: a whole state of 400 float32 units is then 96 MB


@torch.no_grad()
def loop(awd_lstm, documents: list[torch.Tensor], *, size: int = 1) -> torch.Tensor:
    """One document at a time through fastai's encoder."""
    rows = []
    for tokens in documents:
        _reset(awd_lstm, 1)
        states = awd_lstm(tokens[None])[0]
        rows.append(torch.cat([states[-1], states.mean(0), states.amax(0)]))
    return torch.stack(rows)


@torch.no_grad()
def naive_batches(awd_lstm, documents: list[torch.Tensor], *, size: int) -> torch.Tensor:
    """Batches in the order given, padded behind the text, the whole state held and pooled, padding and all.

    The last time step of every document but the longest is a state of padding.
    """
    rows = []
    for start in range(0, len(documents), size):
        batch = pad_sequence(documents[start : start + size], batch_first=True, padding_value=PAD)
        _reset(awd_lstm, len(batch))
        states = awd_lstm(batch)  # [n, longest, width]
        rows.append(torch.cat([states[:, -1], states.mean(1), states.amax(1)], 1))
    return torch.cat(rows)


@torch.no_grad()
def fastai_batches(awd_lstm, documents: list[torch.Tensor], *, size: int) -> torch.Tensor:
    """fastai's own: batches sorted by length, padded by `pad_chunk`, `SentenceEncoder` and `masked_concat_pool`."""
    encoder, out = SentenceEncoder(BPTT, awd_lstm, pad_idx=PAD), _empty(awd_lstm, documents)
    for places in _batches(documents, size):
        batch = torch.from_numpy(chunk_batch([documents[i] for i in places], pad_id=PAD))
        _reset(awd_lstm, len(places))
        states, mask = encoder(batch)
        last, most, mean = masked_concat_pool(states, mask, BPTT).chunk(3, dim=1)
        out[places] = torch.cat([last, mean, most], 1)
    return out


@torch.no_grad()
def sorted_padded(
    awd_lstm, documents: list[torch.Tensor], *, size: int, most_padded: int = MOST_PADDED
) -> torch.Tensor:
    """Batches sorted by length, padded behind the text, the whole state held and pooled with the true lengths.

    The method of kubeflow/code-intelligence, corrected: there the padding is pooled with the text. A batch has fewer
    documents where it would have more than `most_padded` tokens.
    """
    out = _empty(awd_lstm, documents)
    for places in _batches(documents, size, most_padded):
        batch = pad_sequence([documents[i] for i in places], batch_first=True, padding_value=PAD)
        _reset(awd_lstm, len(places))
        out[places] = _pooled(awd_lstm(batch), torch.tensor([len(documents[i]) for i in places]))
    return out


@torch.no_grad()
def packed_sequences(awd_lstm, documents: list[torch.Tensor], *, size: int) -> torch.Tensor:
    """torch's packed sequences, the method of LASER and InferSent."""
    out = _empty(awd_lstm, documents)
    for places in _batches(documents, size):
        lengths = torch.tensor([len(documents[i]) for i in places])
        batch = pad_sequence([documents[i] for i in places], batch_first=True, padding_value=PAD)
        packed = pack_padded_sequence(awd_lstm.encoder(batch), lengths, batch_first=True)
        for rnn in awd_lstm.rnns:
            packed, _ = rnn(packed)
        out[places] = _pooled(pad_packed_sequence(packed, batch_first=True)[0], lengths)
    return out


PEERS = {
    "fastai SentenceEncoder": fastai_batches,
    "sorted padded batches": sorted_padded,
    "packed sequences": packed_sequences,
}


def _pooled(states: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Last, mean and max of states [n, n_steps, width] that are padded behind `lengths`."""
    last = states[torch.arange(len(states)), lengths - 1]
    padding = (torch.arange(states.shape[1]) >= lengths[:, None])[:, :, None]
    most = states.masked_fill(padding, -torch.inf).amax(1)
    return torch.cat([last, states.masked_fill_(padding, 0).sum(1) / lengths[:, None], most], 1)


def _batches(documents: list[torch.Tensor], size: int, most_padded: int = MOST_PADDED) -> list[np.ndarray]:
    return sorted_batches([len(tokens) for tokens in documents], batch_size=size, most_padded=most_padded)


def _reset(awd_lstm, size: int) -> None:
    awd_lstm.bs = size
    awd_lstm.reset()


def _empty(awd_lstm, documents: list[torch.Tensor]) -> torch.Tensor:
    return torch.empty(len(documents), 3 * awd_lstm.emb_sz)
