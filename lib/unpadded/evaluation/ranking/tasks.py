"""Everything that a corpus lets one rank: same-topic documents, judged queries, human ratings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from unpadded.corpus import Corpus
from unpadded.evaluation.ranking.ranking import example_results, rank_judged, rank_topics
from unpadded.evaluation.ranking.ratings import rank_ratings
from unpadded.evaluation.representations import documents_and_queries
from unpadded.evaluation.scores import Representation


@dataclass(frozen=True)
class RankingResult:
    """One ranking task of one corpus.

    `scores` is a long table; `per_item` maps each method to its nDCG@10 by query; `examples` shows first results.
    """

    scores: pd.DataFrame
    per_item: Mapping[str, np.ndarray]
    note: str
    examples: pd.DataFrame | None = None


def rank_corpus(
    corpus: Corpus,
    representations: Sequence[Representation],
    *,
    n_queries: int = 1_000,
    bm25: bool = True,
    seed: int = 0,
) -> dict[str, RankingResult]:
    """Measure every ranking task that the corpus has: task name -> result.

    `representations` hold the documents and, behind them, the queries (see `representations.compared`). `bm25` joins where
    queries are texts.
    """
    documents, queries = documents_and_queries(representations, len(corpus))
    results = {}
    if len(corpus.topics) > 1:
        results["same topic"] = _same_topic(corpus, documents, n_queries, bm25, seed)
    if corpus.relevance:
        results["judged queries"] = _judged(corpus, documents, queries, bm25, seed)
    if corpus.ratings is not None:
        results["human ratings"] = _rated(corpus, documents, seed)
    return results


def _same_topic(
    corpus: Corpus, documents: list[Representation], n_queries: int, bm25: bool, seed: int
) -> RankingResult:
    scores, details = rank_topics(
        documents,
        corpus.labels,
        corpus_name=corpus.name,
        ids=corpus.ids,
        texts=corpus.texts,
        n_queries=n_queries,
        bm25=bm25,
        seed=seed,
    )
    by_id = dict(zip(corpus.ids, corpus.texts, strict=True))
    examples = example_results(details, corpus.texts, queries=by_id, labels=corpus.labels)
    return RankingResult(scores, details.per_item(), details.note, examples)


def _judged(corpus: Corpus, documents, queries, bm25: bool, seed: int) -> RankingResult:
    scores, details = rank_judged(
        documents,
        queries,
        corpus_name=corpus.name,
        ids=corpus.ids,
        query_ids=list(corpus.queries),
        relevance=corpus.relevance,
        texts=corpus.texts,
        query_texts=list(corpus.queries.values()),
        bm25=bm25,
        seed=seed,
    )
    examples = example_results(details, corpus.texts, queries=corpus.queries)
    return RankingResult(scores, details.per_item(), details.note, examples)


def _rated(corpus: Corpus, documents: list[Representation], seed: int) -> RankingResult:
    scores, details = rank_ratings(
        documents, corpus_name=corpus.name, ids=corpus.ids, ratings=corpus.ratings, seed=seed
    )
    n_rated = len(set(corpus.ratings["first"]) | set(corpus.ratings["second"]))
    return RankingResult(scores, details.per_item(), f"{len(corpus.ratings):,} rated pairs of {n_rated} documents.")
