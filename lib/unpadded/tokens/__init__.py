"""Text to numbers, and counts of them."""

from typing import TYPE_CHECKING

from unpadded.common.lazy import hand_on

if TYPE_CHECKING:
    from unpadded.tokens.counts import (
        MOST_NGRAMS,
        NGRAM_ITERATIONS,
        character_ngrams,
        count_matrix,
        document_frequencies,
        documents_read,
        idf_weights,
        mark_ids,
    )
    from unpadded.tokens.means import mean_rows, topics_and_words, words_share
    from unpadded.tokens.ppmi import ppmi_vectors
    from unpadded.tokens.rules import RULES
    from unpadded.tokens.subword import chosen_tokenizer
    from unpadded.tokens.texts import checked_texts, refuse_what_has_no_rows
    from unpadded.tokens.tokenized import MARKERS_OF_BEGIN, TokenizedCorpus, tokenize, vocabulary_index
    from unpadded.tokens.tokenizer import BAR, HARD_TEXTS, TokenizerSettings

__getattr__, __dir__, __all__ = hand_on(__name__)
