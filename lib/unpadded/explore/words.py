"""Why two texts are near: the rare words that they share, and what each token adds to their cosine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import torch
from fastai.text.core import BOS, defaults

from unpadded.common import CONCAT
from unpadded.model import LanguageModel, borrowed

STEPS = 32  # tokens read at a time, before documents that have ended leave the batch
MOST_WORDS = 5  # that explain one document
SPECIAL = frozenset((*defaults.text_spec_tok, BOS))


def shared_words(
    first: np.ndarray, second: np.ndarray, vocab: Sequence[str], frequencies: np.ndarray, *, n_documents: int
) -> list[str]:
    """Words, MOST_WORDS at most, that both texts (arrays of token ids) hold, the rarest in the corpus first.

    `frequencies` int64 [vocabulary] counts documents. Only words: no punctuation, no mark of fastai's, and nothing that
    more than one document in ten has.
    """
    common = np.intersect1d(first, second)
    common = common[frequencies[common] <= max(1, n_documents // 10)]
    ordered = common[np.argsort(frequencies[common], kind="stable")]
    return [vocab[i] for i in ordered if _is_word(vocab[i])][:MOST_WORDS]


@torch.no_grad()
def hidden_states(lm: LanguageModel, documents: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The last layer's state after each token of each of `documents` (token ids), float32 [n_tokens, width] each.

    They are read as one batch, filled up behind, where nothing can change a state; `lm` stays as it was.
    """
    order = np.argsort([-len(tokens) for tokens in documents], kind="stable")
    lengths = np.array([len(documents[i]) for i in order], np.int64)
    found = [np.empty((len(tokens), lm.emb_sz), np.float32) for tokens in documents]
    with borrowed(lm.module) as awd_lstm:
        for begin in range(0, int(lengths.max(initial=0)), STEPS):
            at_work = order[lengths > begin]  # fastai keeps the state of a shrinking batch's first rows
            pieces = [documents[i][begin : begin + STEPS] for i in at_work]
            ids = np.full((len(pieces), len(pieces[0])), awd_lstm.pad_token, np.int64)
            for row, piece in zip(ids, pieces, strict=True):
                row[: len(piece)] = piece
            states = awd_lstm(torch.from_numpy(ids).to(awd_lstm.encoder.weight.device)).float().cpu().numpy()
            for i, piece, own in zip(at_work, pieces, states, strict=True):
                found[i][begin : begin + len(piece)] = own[: len(piece)]
    return found


def contributions(states: np.ndarray, vectors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """How much each token of a document adds to its cosine with `vectors`: pooling -> float64 [n_tokens].

    `states`: [n_tokens, width] of `hidden_states`; `vectors`: the other text's last, mean and max. Each pooling is a choice
    of states, unit by unit, so the cosine is a sum over tokens: last has one term; in the mean every token has its n-th
    part; in max a unit's term belongs to the token at which it was largest. The terms of a pooling add up to the cosine.
    """
    n, states = len(states), states.astype(np.float64)
    other = {pooling: vectors[pooling].astype(np.float64) for pooling in CONCAT}
    parts = {"last": np.zeros(n), "mean": states @ other["mean"] / n, "max": np.zeros(n)}
    parts["last"][-1] = states[-1] @ other["last"]
    np.add.at(parts["max"], states.argmax(axis=0), states.max(axis=0) * other["max"])
    own = {"last": states[-1], "mean": states.mean(axis=0), "max": states.max(axis=0)}
    parts["concat"] = sum(parts[pooling] for pooling in CONCAT)
    own["concat"] = np.concatenate([own[pooling] for pooling in CONCAT])
    other["concat"] = np.concatenate([other[pooling] for pooling in CONCAT])
    norms = {pooling: np.linalg.norm(own[pooling]) * np.linalg.norm(other[pooling]) for pooling in parts}
    return {pooling: part / (norms[pooling] or 1.0) for pooling, part in parts.items()}


def weightiest_words(tokens: Sequence[str], terms: np.ndarray, *, common: Collection[str] = ()) -> list[str]:
    """The words (MOST_WORDS at most) that lift the similarity most: by the sum of what their tokens add above the average.

    Words in `common` are left out: they lift every document.
    """
    totals: Counter = Counter()
    for token, value in zip(tokens, terms - terms.mean(), strict=True):
        if _is_word(token) and token not in common:
            totals[token] += float(value)
    return [word for word, total in totals.most_common(MOST_WORDS) if total > 0]


def _is_word(token: str) -> bool:
    return token not in SPECIAL and any(character.isalpha() for character in token)
