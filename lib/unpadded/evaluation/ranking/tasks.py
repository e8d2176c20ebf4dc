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
    about = {"corpus_name": corpus.name, "ids": corpus.ids, "seed": seed}
    texts, results = {"texts": corpus.texts, "bm25": bm25}, {}
    if len(corpus.topics) > 1:
        scores, details = rank_topics(documents, corpus.labels, n_queries=n_queries, **texts, **about)
        by_id = dict(zip(corpus.ids, corpus.texts, strict=True))
        examples = example_results(details, corpus.texts, queries=by_id, labels=corpus.labels)
        results["same topic"] = RankingResult(scores, details.per_item(), details.note, examples)
    if corpus.relevance:
        asked = {"query_ids": list(corpus.queries), "query_texts": list(corpus.queries.values())}
        scores, details = rank_judged(documents, queries, relevance=corpus.relevance, **asked, **texts, **about)
        examples = example_results(details, corpus.texts, queries=corpus.queries)
        results["judged queries"] = RankingResult(scores, details.per_item(), details.note, examples)
    if corpus.ratings is not None:
        scores, details = rank_ratings(documents, ratings=corpus.ratings, **about)
        n_rated = len(set(corpus.ratings["first"]) | set(corpus.ratings["second"]))
        note = f"{len(corpus.ratings):,} rated pairs of {n_rated} documents."
        results["human ratings"] = RankingResult(scores, details.per_item(), note)
    return results
