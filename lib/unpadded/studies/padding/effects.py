"""What padding does to document vectors, in numbers that are 0 where it does nothing.

Every table has a row for Unpadded: the same documents encoded together by `DocumentEncoder`, compared with each of them
encoded alone. Its zeros are measured like the other values.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from sklearn.preprocessing import normalize

from unpadded.common import STUDIED, InputError, cosine_scorer, first_documents
from unpadded.corpus import Corpus
from unpadded.encoding import DocumentEncoder
from unpadded.studies.padding.padded_reader import PLACEMENTS, READINGS, PaddedReader, batch_pads
from unpadded.tokens import TokenizedCorpus

NEIGHBOURS = 10
UNPADDED = "Unpadded"  # the method's name in the tables
SETTING = ["method", "placement", "pads", "reading", "pooling"]
CHANGES = ["cosine_distance", "centred_cosine_distance", "neighbours_lost", "kl", "max_abs_diff", "changed"]


@dataclass(frozen=True, eq=False)
class PaddedVectors:
    """The vectors of one way to pad and read documents: pooling -> float32 [n_documents, width].

    `pads` says how many pads each document got: a number, or "batch" for what a shuffled minibatch would need.
    """

    method: str
    placement: str
    pads: str
    reading: str
    vectors: Mapping[str, np.ndarray]

    @property
    def setting(self) -> dict[str, str]:
        """The columns that say what was done."""
        return {name: getattr(self, name) for name in ("method", "placement", "pads", "reading")}


def choose_documents(
    corpus: Corpus, tokens: TokenizedCorpus, *, n: int, longest: int = 1_000, seed: int = 0
) -> tuple[Corpus, list[np.ndarray]]:
    """Up to `n` documents of 2 to `longest` tokens, drawn by `seed`, in corpus order: their corpus and their token ids."""
    fitting = np.flatnonzero((tokens.lengths >= 2) & (tokens.lengths <= longest))
    if len(fitting) < 2:
        raise InputError(f"{corpus.name}: only {len(fitting)} documents have 2 to {longest} tokens; allow longer ones.")
    chosen = np.sort(np.random.default_rng(seed).choice(fitting, min(n, len(fitting)), replace=False))
    return corpus.select(chosen), [np.asarray(tokens[i]) for i in chosen]


def read_all(lm, documents: Sequence[np.ndarray], *, pads: Sequence[int], seed: int = 0) -> list[PaddedVectors]:
    """The documents under every placement, number of pads and reading; those without pads come first.

    Beside each of `pads`, the number that a shuffled minibatch of 32 would give a document is tried.
    """
    reader = PaddedReader(lm)
    counts = {str(n): n for n in pads} | {"batch": batch_pads([len(d) for d in documents], seed=seed)}
    wanted = [("none", "0", 0)] + [(p, name, n) for p in PLACEMENTS[1:] for name, n in counts.items()]
    return [
        PaddedVectors("padded batch", placement, name, reading, vectors)
        for placement, name, n in wanted
        for reading, vectors in reader.read(documents, placement, n).items()
        if placement != "none" or reading == READINGS[0]  # without pads both readings are the same
    ]


def read_unpadded(lm, documents: Sequence[np.ndarray]) -> tuple[PaddedVectors, PaddedVectors]:
    """Each document encoded alone by `DocumentEncoder`, and all of them together in a batch."""
    encoder = DocumentEncoder(lm)
    alone = [encoder.encode_tokens([tokens], pooling=STUDIED) for tokens in documents]
    joined = {p: np.concatenate([vectors[p] for vectors in alone]) for p in STUDIED}
    together = encoder.encode_tokens(documents, pooling=STUDIED)
    return (
        PaddedVectors(UNPADDED, "none", "0", "alone", joined),
        PaddedVectors(UNPADDED, "none", "batch", "in a batch", together),
    )


def with_references(found: Sequence[PaddedVectors]) -> Iterator[tuple[PaddedVectors, PaddedVectors]]:
    """Yield each of `found` with what it is compared to: its method's documents without pads, for Unpadded each alone."""
    references = {one.method: one for one in found if one.reading in ("alone", READINGS[0]) and one.placement == "none"}
    for one in found:
        yield one, references[one.method]


def padding_effects(lm, found: Sequence[PaddedVectors]) -> pd.DataFrame:
    """How far each way to pad moves the vectors; columns SETTING and CHANGES, a row for each pooling.

    cosine_distance: mean of 1 - cosine to the unpadded vector; centred_cosine_distance: that after subtracting the unpadded
    vectors' mean from both; neighbours_lost: share of the 10 nearest other documents (by cosine) that are no longer among
    them; kl: mean KL divergence of the next-token distribution behind the last state, in nats, nan for other poolings;
    changed: share of vectors with any bit changed.
    """
    rows = []
    for one, reference in with_references(found):
        if one is reference:
            continue
        for pooling, vectors in one.vectors.items():
            changes = vector_changes(reference.vectors[pooling], vectors)
            kl = next_token_kl(lm, reference.vectors["last"], vectors).mean() if pooling == "last" else np.nan
            rows.append(one.setting | {"pooling": pooling, "kl": kl} | changes)
    return pd.DataFrame(rows)[[*SETTING, *CHANGES]]


def vector_changes(reference: np.ndarray, vectors: np.ndarray) -> dict[str, float]:
    """The columns of `padding_effects` that compare two matrices [n_documents, width], all but kl."""
    mean = reference.mean(axis=0, dtype=np.float64)
    return {
        "cosine_distance": float(cosine_distance(reference, vectors).mean()),
        "centred_cosine_distance": float(cosine_distance(reference - mean, vectors - mean).mean()),
        "neighbours_lost": float(1 - neighbours_kept(reference, vectors).mean()),
        "max_abs_diff": float(np.abs(vectors.astype(np.float64) - reference).max()),
        "changed": float((vectors != reference).any(axis=1).mean()),
    }


def cosine_distance(reference: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """1 - cosine of each pair of rows, float64 [n], as half the squared distance of the unit vectors: 0 for equal rows."""
    return ((normalize(reference.astype(np.float64)) - normalize(vectors.astype(np.float64))) ** 2).sum(axis=1) / 2


def neighbours(vectors: np.ndarray, *, k: int = NEIGHBOURS) -> np.ndarray:
    """The `k` nearest other rows of each row by cosine, int [n, min(k, n - 1)]; equal ones in the documents' order."""
    n = vectors.shape[0]
    return first_documents(
        cosine_scorer(vectors, vectors), n, n, depth=min(k, n - 1), excluded=[np.array([i]) for i in range(n)]
    )


def neighbours_kept(before: np.ndarray, after: np.ndarray, *, k: int = NEIGHBOURS) -> np.ndarray:
    """Share of each document's `k` nearest by cosine that stay among them, float64 [n]; inputs [n, width], also sparse."""
    old, new = (neighbours(vectors, k=k) for vectors in (before, after))
    return (old[:, :, None] == new[:, None]).any(axis=2).mean(axis=1)


@torch.no_grad()
def next_token_kl(lm, reference: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """KL(unpadded || padded) of the next-token distributions that follow two states, in nats, float64 [n].

    `reference` and `vectors`: last states, float32 [n, width], of the same documents without and with padding.
    """
    before, after = (_log_probabilities(lm, states) for states in (reference, vectors))
    return (before.exp() * (before - after)).sum(1).numpy()


def _log_probabilities(lm, states: np.ndarray) -> torch.Tensor:
    decoder = lm.module[1].decoder
    logits = decoder(torch.from_numpy(np.ascontiguousarray(states)).to(decoder.weight.device))
    return torch.log_softmax(logits.double().cpu(), dim=1)
