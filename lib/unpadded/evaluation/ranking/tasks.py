"""Everything that a corpus lets one rank: same-topic documents, judged queries, human ratings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from unpadded.common import InputError
from unpadded.corpus import Corpus
from unpadded.evaluation.ranking.ranking import example_results, rank_judged, rank_topics
from unpadded.evaluation.ranking.ratings import rank_ratings
from unpadded.evaluation.representations import documents_and_queries, with_topics
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


def has_pairs(corpus: Corpus) -> bool:
    """Whether there are two topics, and in one of them two different texts, so that one can be asked for the other."""
    texts = {(label, text) for label, text in zip(corpus.labels or (), corpus.texts, strict=False) if label is not None}
    return len(corpus.topics) > 1 and len(texts) > len(corpus.topics)


def rank_corpus(
    corpus: Corpus,
    representations: Sequence[Representation],
    *,
    n_queries: int = 1_000,
    bm25: bool = True,
    fused: str = "",
    seed: int = 0,
) -> dict[str, RankingResult]:
    """Measure every ranking task that the corpus has: task name -> result.

    `representations` hold the documents and, behind them, the queries (see `representations.compared`). `bm25` joins where
    queries are texts, and the vectors named `fused` once more, summed with it. Documents without a topic are neither asked
    with nor found by topic. Raises `InputError` where there is nothing to rank.
    """
    documents, queries = documents_and_queries(representations, len(corpus))
    about = {"corpus_name": corpus.name, "ids": corpus.ids, "seed": seed}
    texts, results = {"texts": corpus.texts, "bm25": bm25, "fused": fused}, {}
    if has_pairs(corpus):
        some, rows = with_topics(corpus, documents)
        own = {
            "corpus_name": corpus.name,
            "ids": some.ids,
            "seed": seed,
            "texts": some.texts,
            "bm25": bm25,
            "fused": fused,
        }
        scores, details = rank_topics(rows, some.labels, n_queries=n_queries, **own)
        by_id = dict(zip(some.ids, some.texts, strict=True))
        examples = example_results(details, some.texts, queries=by_id, labels=some.labels)
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
    if not results:
        raise InputError(
            f"{corpus.name}: no topic holds two different documents, so nothing can be retrieved; add some."
        )
    return results
