"""Padding put into training text: would a model that has seen pads among its tokens be less disturbed by them?

A pad is then a token like any other: it is read, it is a target to predict, and, because the objective looks tokens up
without fastai's `padding_idx`, its row of the embedding is trained as an input too. The validation text gets no pads, so
that perplexities compare.
"""

import numpy as np

from unpadded.common import InputError
from unpadded.tokens import TokenizedCorpus, vocabulary_index
from unpadded.training.settings import PAD_PLACEMENTS

PAD = "xxpad"  # fastai's padding token


def inject_pads(tokens: TokenizedCorpus, *, share: float, placement: str = "before", seed: int = 0) -> TokenizedCorpus:
    """The same documents with pads among their tokens, so that `share` of all tokens are pads (0 returns `tokens`).

    "before": a run of pads in front of each document, of lengths as uneven as those of padded batches (exponential);
    "random": each pad stands before a token drawn from the whole corpus. `types` gains xxpad where it is missing. Raises
    `InputError` for a share outside [0, 1) or an unknown placement.
    """
    if not 0 <= share < 1 or placement not in PAD_PLACEMENTS:
        raise InputError(
            f"A share of {share!r} pads placed {placement!r}: give a share from 0 to less than 1 and "
            f"{' or '.join(map(repr, PAD_PLACEMENTS))}."
        )
    n_pads = round(len(tokens.ids) * share / (1 - share))
    if not n_pads:
        return tokens
    types = tokens.types if PAD in vocabulary_index(tokens.types) else [*tokens.types, PAD]
    rng = np.random.default_rng(seed)
    if placement == "before":
        chances = rng.exponential(size=len(tokens))
        counts = rng.multinomial(n_pads, chances / chances.sum())  # pads of each document
        places = np.repeat(tokens.offsets[:-1], counts)
    else:
        places = np.sort(rng.integers(len(tokens.ids), size=n_pads))
        counts = np.bincount(np.searchsorted(tokens.offsets, places, side="right") - 1, minlength=len(tokens))
    ids = np.insert(np.asarray(tokens.ids), places, types.index(PAD))
    return TokenizedCorpus(ids, tokens.offsets + np.concatenate([[0], np.cumsum(counts)]), types)
