"""fastai's own batched path, `pad_input_chunk` with `SentenceEncoder`, and the documents that it gives a wrong vector.

The padding puts whole chunks of pads before a document and the rest behind it. `SentenceEncoder` then runs, for each chunk,
as many of the first rows as have text at the chunk's first position. Where a longer document has ended just before the last
chunk, a shorter one below it is left out: its text is never read (https://github.com/fastai/fastai/issues/3379). Two more
faults follow from the same layout: "last" is looked for at the wrong position, and `max_len` is counted from the end of the
batch instead of the end of the document.
"""

import sys
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from fastai.text.data import pad_chunk
from fastai.text.models.core import SentenceEncoder, masked_concat_pool

from unpadded.encoding import BPTT, FASTAI_ORDER, MAX_LEN, DocumentEncoder, dropped, twin_of
from unpadded.studies.padding.effects import UNPADDED, cosine_distance, read_unpadded

FAULTS = ["text_lost", "last_misread", "beginning_dropped"]
WRONG = 1e-3  # largest difference of a vector's entries that floating point does not explain


def sorted_batches(lengths: Sequence[int], *, batch_size: int = 64, most_padded: int = sys.maxsize) -> list[np.ndarray]:
    """Positions of the documents of each batch, the longest first, as fastai's SortedDL forms them for predictions.

    A batch has fewer documents where it would have more than `most_padded` tokens, padding among them.
    """
    order, batches = np.argsort(-np.asarray(lengths), kind="stable"), []
    while len(order):
        n = max(1, min(batch_size, most_padded // max(lengths[order[0]], 1)))
        batches.append(order[:n])
        order = order[n:]
    return batches


def chunk_faults(
    lengths: Sequence[int], *, batch_size: int = 64, bptt: int = BPTT, max_len: int | None = MAX_LEN
) -> pd.DataFrame:
    """What goes wrong with each document of a corpus in fastai's batches, from the lengths alone; columns n_tokens, FAULTS.

    text_lost: tokens that are never read; last_misread: whether "last" is read anywhere but at the last token;
    beginning_dropped: tokens that are pooled when the document is alone and not in its batch.
    """
    lengths = np.asarray(lengths, dtype=np.int64)
    table = pd.DataFrame({"n_tokens": lengths, "text_lost": 0, "last_misread": False, "beginning_dropped": 0})
    for batch in sorted_batches(lengths, batch_size=batch_size):
        for name, values in _batch_faults(lengths[batch], bptt, max_len).items():
            table.loc[batch, name] = values
    return table


def _batch_faults(lengths: np.ndarray, bptt: int, max_len: int | None) -> dict[str, np.ndarray]:
    """The columns of `chunk_faults` for one batch, `lengths` sorted in descending order."""
    longest = int(lengths[0])
    start = (longest - lengths) // bptt * bptt  # whole chunks of pads stand before the text, the rest behind it
    end = start + lengths
    chunks = np.arange(0, longest, bptt)
    begins_with_text = (start[:, None] <= chunks) & (chunks < end[:, None])  # [n_rows, n_chunks]
    is_run = np.arange(len(lengths))[:, None] < begins_with_text.sum(axis=0)
    stop = np.minimum(chunks + bptt, longest)
    in_chunk = np.maximum(np.minimum(end[:, None], stop) - np.maximum(start[:, None], chunks), 0)
    is_kept = longest - chunks <= (max_len or longest)
    window = max(longest - bptt, 0)
    pads_in_window = (longest - window) - np.maximum(end - np.maximum(start, window), 0)
    return {
        "text_lost": (in_chunk * ~is_run).sum(axis=1),
        "last_misread": longest - pads_in_window != end,
        "beginning_dropped": (in_chunk * ~is_kept).sum(axis=1) - dropped(lengths, bptt=bptt, max_len=max_len),
    }


def chunk_batch(documents: Sequence[np.ndarray], *, bptt: int = BPTT, pad_id: int = 1) -> np.ndarray:
    """The batch that fastai makes of `documents` (longest first), int64 [n_documents, longest]."""
    longest = max(map(len, documents))
    tensors = [torch.from_numpy(np.array(tokens, np.int64)) for tokens in documents]
    return torch.stack([pad_chunk(t, pad_idx=pad_id, seq_len=bptt, pad_len=longest) for t in tensors]).numpy()


def cells_read(ids: np.ndarray, *, bptt: int = BPTT, pad_id: int = 1) -> np.ndarray:
    """Which positions of a batch SentenceEncoder runs, bool like `ids` [n_documents, n_steps]."""
    read = np.zeros(ids.shape, dtype=bool)
    for begin in range(0, ids.shape[1], bptt):
        read[: (ids[:, begin] != pad_id).sum(), begin : begin + bptt] = True
    return read


@torch.no_grad()
def batched_vectors(
    lm, documents: Sequence[np.ndarray], *, bptt: int = BPTT, max_len: int | None = MAX_LEN
) -> np.ndarray:
    """fastai's pooled vectors of one batch of `documents`, longest first: float32 [n, 3 * width] in FASTAI_ORDER."""
    pad_id = lm.awd_lstm.pad_token
    encoder = SentenceEncoder(bptt, twin_of(lm.awd_lstm).cpu(), pad_idx=pad_id, max_len=max_len).eval()
    ids = torch.from_numpy(chunk_batch(lm.as_read(documents), bptt=bptt, pad_id=pad_id))
    return masked_concat_pool(*encoder(ids), bptt).numpy()


def alone_vectors(
    lm, documents: Sequence[np.ndarray], *, bptt: int = BPTT, max_len: int | None = MAX_LEN
) -> np.ndarray:
    """The vectors that fastai gives each document alone, within 1e-6: Unpadded's engine, float32 as `batched_vectors`."""
    skip = dropped([len(d) for d in documents], bptt=bptt, max_len=max_len)
    arrays = DocumentEncoder(lm).encode_tokens(documents, pooling=list(FASTAI_ORDER), skip=skip)
    return np.concatenate([arrays[name] for name in FASTAI_ORDER], axis=1)


def measure_batches(
    lm,
    documents: Sequence[np.ndarray],
    *,
    n_batches: int,
    batch_size: int = 64,
    bptt: int = BPTT,
    max_len: int | None = MAX_LEN,
    longest: int | None = None,
) -> pd.DataFrame:
    """Run some of fastai's batches of `documents` and compare with each document alone; one row for each document run.

    `n_batches` of those whose documents have at most `longest` tokens, spread evenly from long to short. Columns: document
    (its position), those of `chunk_faults`, cosine_distance, max_abs_diff, wrong (more than WRONG) and foreseen (whether
    the lengths alone told).
    """
    lengths = np.array([len(d) for d in documents])
    faults = chunk_faults(lengths, batch_size=batch_size, bptt=bptt, max_len=max_len)
    batches = sorted_batches(lengths, batch_size=batch_size)
    batches = [b for b in batches if not longest or lengths[b[0]] <= longest] or batches[-1:]
    chosen = np.unique(np.linspace(0, len(batches) - 1, min(n_batches, len(batches))).round().astype(int))
    tables = []
    for batch in (batches[i] for i in chosen):
        rows = [documents[i] for i in batch]
        found, expected = (f(lm, rows, bptt=bptt, max_len=max_len) for f in (batched_vectors, alone_vectors))
        difference = np.abs(found.astype(np.float64) - expected).max(axis=1)
        distance = cosine_distance(expected, found)
        tables.append(faults.iloc[batch].assign(document=batch, cosine_distance=distance, max_abs_diff=difference))
    table = pd.concat(tables, ignore_index=True)
    return table.assign(wrong=table["max_abs_diff"] > WRONG, foreseen=table[FAULTS].any(axis=1))


def wrong_vectors(lm, documents: Sequence[np.ndarray], measured: pd.DataFrame) -> pd.DataFrame:
    """How many of the documents in `measured` (from `measure_batches`) got a wrong vector; a row for fastai, one for Unpadded.

    Columns: method, n, wrong (largest difference above WRONG), mean_cosine_distance, cosine_distance_of_wrong (of the wrong
    ones alone) and max_abs_diff, from the same document alone.
    """
    rows = [documents[i] for i in measured["document"]]
    alone, together = (found.vectors["concat"] for found in read_unpadded(lm, rows))
    difference = np.abs(together.astype(np.float64) - alone).max(axis=1)
    own = pd.DataFrame(
        {"cosine_distance": cosine_distance(alone, together), "max_abs_diff": difference, "wrong": difference > WRONG}
    )
    rows = []
    for name, table in {"fastai's batches": measured, UNPADDED: own}.items():
        distance, wrong = table["cosine_distance"], table["wrong"]
        of_wrong = distance[wrong].sum() / max(wrong.sum(), 1)
        rows.append([name, len(table), wrong.sum(), distance.mean(), of_wrong, table["max_abs_diff"].max()])
    columns = "method n wrong mean_cosine_distance cosine_distance_of_wrong max_abs_diff".split()
    return pd.DataFrame(rows, columns=columns)


def fault_counts(faults: pd.DataFrame) -> dict[str, int]:
    """How many documents of `chunk_faults`' table have each fault, how many any ("wrong"), how many there are."""
    found = faults[FAULTS].astype(bool)
    return {"documents": len(faults), **found.sum().to_dict(), "wrong": int(found.any(axis=1).sum())}
