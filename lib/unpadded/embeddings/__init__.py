"""Vectors on disk: written, resumed, spread over machines, searched."""

from typing import TYPE_CHECKING

from unpadded.common.lazy import hand_on

if TYPE_CHECKING:
    from unpadded.embeddings.driver import cluster_client, embed_on_cluster
    from unpadded.embeddings.embedding import embed_corpus, stored_parts
    from unpadded.embeddings.fusion import standardised
    from unpadded.embeddings.search import QUERIES_AT_ONCE, DocumentSearch
    from unpadded.embeddings.store import MANIFEST, SHARDS, TIMINGS, Embeddings
    from unpadded.embeddings.words import WordIndex
    from unpadded.embeddings.worker import EncoderRecipe, describe
    from unpadded.embeddings.writer import open_writer

__getattr__, __dir__, __all__ = hand_on(__name__)
