"""What a language model reads of a corpus: its tokens, and those that it is judged by while it is trained.

Apart from `extraction`, so that a change in how documents are encoded is none of the training's.
"""

import numpy as np

from unpadded.corpus import Corpus, data_folder
from unpadded.tokens import TokenizedCorpus, TokenizerSettings, tokenize
from unpadded.training import VALIDATION_TOKENS

FEWEST_TOKENS = 3  # that a perplexity can be measured on


def tokenized(corpus: Corpus, settings: TokenizerSettings | None = None) -> TokenizedCorpus:
    """The corpus's tokens, from the cache in the data folder when they were made before."""
    return tokenize(corpus.texts, settings, cache=data_folder() / "tokens")


def validation_tokens(corpus: Corpus, tokens: TokenizedCorpus, *, seed: int = 0) -> TokenizedCorpus | None:
    """The `tokens` of documents whose split is valid, drawn by `seed` up to VALIDATION_TOKENS; None where there are none.

    Then training holds out a few of its own documents.
    """
    valid = np.flatnonzero(np.asarray(corpus.split or ()) == "valid")
    order = np.random.default_rng(seed).permutation(valid)
    n = (
        max(1, int(np.searchsorted(np.cumsum(tokens.lengths[order]), VALIDATION_TOKENS, side="right")))
        if len(order)
        else 0
    )
    chosen = tokens.select(np.sort(order[:n]))
    return chosen if len(chosen.ids) >= FEWEST_TOKENS else None
