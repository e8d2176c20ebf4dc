"""Vectors to scores: representations and baselines, three tasks, statistics."""

from typing import TYPE_CHECKING

from unpadded.common.lazy import hand_on

if TYPE_CHECKING:
    from unpadded.evaluation.baselines.baselines import fasttext, lsa, tfidf, word_vectors
    from unpadded.evaluation.baselines.static import static_vectors
    from unpadded.evaluation.baselines.transformer import minilm, transformer_vectors
    from unpadded.evaluation.choice.pieces import Pieces, pieces_of, tuning_documents
    from unpadded.evaluation.choice.recommended import choose, read_choice, recommended_name, write_recommended
    from unpadded.evaluation.classification import (
        classify_all,
        copied,
        learning_curve,
        split_documents,
        training_documents,
    )
    from unpadded.evaluation.clustering.describe import confusion, density_clusters, nearest_documents
    from unpadded.evaluation.clustering.kmeans import cluster_all, evaluate_clustering
    from unpadded.evaluation.clustering.terms import TermCounts, best_terms, cluster_terms, count_terms
    from unpadded.evaluation.extraction import extract, extract_tuned
    from unpadded.evaluation.ranking.ranking import rank_topics
    from unpadded.evaluation.ranking.tasks import rank_corpus
    from unpadded.evaluation.reading import tokenized, validation_tokens
    from unpadded.evaluation.representations import compared, documents_and_queries, with_topics
    from unpadded.evaluation.scores import (
        FitRecord,
        Representation,
        check_vectors,
        concatenate,
        read_scores,
        told_apart,
        unprocessed,
        unprocessed_rows,
        write_scores,
    )
    from unpadded.evaluation.statistics import against, bootstrap_mean, verdict, verdicts
    from unpadded.evaluation.vector_geometry import geometry, norms_by_length, part_contributions

__getattr__, __dir__, __all__ = hand_on(__name__)
