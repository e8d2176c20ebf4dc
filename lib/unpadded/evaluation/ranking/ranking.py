"""Ranking documents by the cosine of their vectors (or by BM25), scored by topics, by judgments, or by human ratings.

Rankings are cut at 1,000 documents, or at the largest number of relevant documents where that is more, so that AP and
Rprec of a perfect ranking are 1. Ties go to the document whose id sorts first. ir-measures computes every metric.
Intervals are over queries, for the collection as it is; where all documents are queries too, each pair counts twice and
the intervals are too narrow to speak about another collection.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

import ir_measures
import numpy as np
import pandas as pd
from ir_measures import AP, RR, P, R, Rprec, nDCG
from sklearn.utils import gen_batches

from unpadded.common import InputError, Scorer, cosine_scorer, first_documents
from unpadded.embeddings import standardised
from unpadded.evaluation.baselines.baselines import BM25, NoWordError
from unpadded.evaluation.scores import (
    Representation,
    SameVectorsError,
    check_names,
    checked_vectors,
    score_row,
    to_frame,
)
from unpadded.evaluation.statistics import bootstrap_mean

METRICS = {"nDCG@10": nDCG @ 10, "AP": AP, "Rprec": Rprec, "P@10": P @ 10, "R@100": R @ 100, "RR@10": RR}
# RR@10 is cut from RR here: for it ir-measures has a provider that takes three times as long as all other metrics together.
DEPTH = 1000  # documents a ranking keeps
SHOWN = 80  # characters of an example
QUERY_BLOCK = 250  # queries whose rankings are Python dictionaries at the same time; fewer where these are deep:
DICTIONARY_ENTRIES = 1_000_000  # documents in these dictionaries, of about 100 bytes each
JUDGMENTS_KEPT = 5_000_000  # up to here all judgments stay in memory; more are made anew for every method, by block
BM25_REPRESENTATION = Representation("bm25", "", "none", None)

Judgments = Mapping[str, Mapping[str, int]]  # query id -> document id -> grade, above 0 when relevant
Judge = Callable[[str], Mapping[str, int]]  # the same, of one query when it is asked for


@dataclass(frozen=True, eq=False)
class RankingDetails:
    """Per-query values and first documents of every method; `query_ids` [q], `note` says what was left out.

    values: metric -> DataFrame [q x method]; first: method -> int array [q, 10] of document positions, -1 where none.
    """

    query_ids: list[str]
    values: dict[str, pd.DataFrame]
    first: dict[str, np.ndarray]
    note: str

    def per_item(self, metric: str = "nDCG@10") -> dict[str, np.ndarray]:
        """For statistics.compare: method -> value per query [q]."""
        return {name: column.to_numpy() for name, column in self.values[metric].items()}


def duplicate_groups(texts: Sequence[str]) -> np.ndarray:
    """A number per document, the same for documents whose text is the same; int64 [n]."""
    return pd.factorize(pd.Series(list(texts), dtype=object))[0]


def rank_topics(
    representations: Sequence[Representation],
    labels: Sequence[str],
    *,
    corpus_name: str,
    ids: Sequence[str],
    texts: Sequence[str] | None = None,
    n_queries: int = 1000,
    bm25: bool = False,
    fused: str = "",
    seed: int = 0,
) -> tuple[pd.DataFrame, RankingDetails]:
    """Same-topic retrieval: up to `n_queries` documents, drawn by `seed`, each search all others; (long table, details).

    `bm25` adds BM25, `fused` the name of vectors whose scores are summed with its own (`lm_bm25`), as a search by both does.
    A document never finds itself; with `texts` nor any copy of its text, which is neither hit nor miss. Queries left
    without a relevant document are dropped and counted in the note. Raises InputError for fewer than two topics.
    """
    check_names(representations)
    labels, ids = np.asarray(labels), np.asarray(ids, dtype=object)
    if len(set(labels.tolist())) < 2:
        raise InputError(
            f"labels: same-topic ranking needs two topics, got only {str(labels[0])!r}; use another corpus."
        )
    groups = np.arange(len(ids)) if texts is None else duplicate_groups(texts)
    by_id = np.argsort(ids.astype(str), kind="stable")
    drawn = np.random.default_rng(seed).choice(len(ids), min(n_queries, len(ids)), replace=False)
    queries = by_id[np.sort(drawn)]
    judge, n_relevant, excluded = _topic_judgments(queries, labels, ids, groups)
    kept = [q for q in queries if ids[q] in n_relevant]
    copies = sum(len(same_text) - 1 for same_text in excluded.values())
    note = f"{copies} copies of a query's text were neither hit nor miss. " if texts is not None else ""
    note += f"{len(queries) - len(kept)} of {len(queries)} queries were left out: no other document of their topic."
    if not kept:
        raise InputError(
            "labels: no topic holds two different documents; nothing can be retrieved, use another corpus."
        )
    scorers = {rep: partial(_cosine_scorer, rep, rep, kept, by_id) for rep in representations}
    if bm25:
        _add_bm25(scorers, partial(_bm25_scorer, texts, texts, kept, by_id), fused)
    return _rank(scorers, n_relevant, judge, ids, by_id, excluded, corpus_name, seed, note)


def rank_judged(
    documents: Sequence[Representation],
    queries: Sequence[Representation],
    *,
    corpus_name: str,
    ids: Sequence[str],
    query_ids: Sequence[str],
    relevance: Judgments,
    texts: Sequence[str] | None = None,
    query_texts: Sequence[str] | None = None,
    bm25: bool = False,
    fused: str = "",
    seed: int = 0,
) -> tuple[pd.DataFrame, RankingDetails]:
    """Search with given queries and judgments (BEIR layout); queries are encoded as documents are; (long table, details).

    `queries` holds the same representations in the same order, with a row per query id. Queries without a relevant
    document (no judgment above 0) are left out and counted in the note; raises InputError when none is left. `bm25` and
    `fused` as in `rank_topics`.
    """
    check_names(documents)
    if [rep.name for rep in documents] != [rep.name for rep in queries]:
        raise InputError("queries: documents and queries need the same representations in the same order; encode both.")
    judgments = {q: {d: g for d, g in relevance.get(q, {}).items() if g > 0} for q in query_ids}
    kept = [i for i, q in enumerate(query_ids) if judgments[q]]
    if not kept:
        raise InputError("relevance: no query has a relevant document; add judgments above 0 for these query ids.")
    note = f"{len(query_ids) - len(kept)} of {len(query_ids)} queries were left out: no relevant document is judged."
    ids = np.asarray(ids, dtype=object)
    by_id = np.argsort(ids.astype(str), kind="stable")
    pairs = zip(documents, queries, strict=True)
    scorers = {doc: partial(_cosine_scorer, doc, query, kept, by_id, len(query_ids)) for doc, query in pairs}
    if bm25:
        _add_bm25(scorers, partial(_bm25_scorer, texts, query_texts, kept, by_id), fused)
    n_relevant = {query_ids[i]: len(judgments[query_ids[i]]) for i in kept}
    return _rank(scorers, n_relevant, judgments.__getitem__, ids, by_id, {}, corpus_name, seed, note)


def example_results(
    details: RankingDetails,
    texts: Sequence[str],
    *,
    queries: Mapping[str, str],
    labels: Sequence[str] | None = None,
    n_queries: int = 3,
    k: int = 3,
) -> pd.DataFrame:
    """Example queries with their first `k` documents, a column per method: the beginning of each text, its topic first.

    `queries` maps query ids to texts (for same-topic ranking: dict(zip(ids, texts))).
    """

    def show(position: int) -> str:
        if position < 0:
            return ""
        topic = f"[{labels[position]}] " if labels is not None else ""
        return topic + " ".join(texts[position].split())[:SHOWN]

    rows = []
    for i, query_id in enumerate(details.query_ids[:n_queries]):
        query = " ".join(queries[query_id].split())[:SHOWN]
        for rank in range(min(k, *(first.shape[1] for first in details.first.values()))):
            found = {name: show(first[i, rank]) for name, first in details.first.items()}
            rows.append({"query": query, "rank": rank + 1, **found})
    return pd.DataFrame(rows).set_index(["query", "rank"])


def _topic_judgments(queries, labels, ids, groups) -> tuple[Judge, dict[str, int], dict[str, np.ndarray]]:
    """Who is relevant to a query, how many are (of queries with any, in order), and the positions it must not find.

    The first is a function: two topics of 50,000 documents would make 50 million judgments for 1,000 queries.
    """
    members = {label: np.flatnonzero(labels == label) for label in np.unique(labels[queries])}
    copies_of = pd.Series(np.arange(len(groups))).groupby(groups).indices
    position = dict(zip(ids[queries].tolist(), queries.tolist(), strict=True))

    def relevant(query_id: str) -> np.ndarray:
        query = position[query_id]
        same_topic = members[labels[query]]
        return same_topic[groups[same_topic] != groups[query]]

    n_relevant = {query_id: n for query_id in position if (n := len(relevant(query_id)))}
    excluded = {query_id: copies_of[groups[position[query_id]]] for query_id in n_relevant}
    return lambda query_id: dict.fromkeys(ids[relevant(query_id)].tolist(), 1), n_relevant, excluded


def _cosine_scorer(documents: Representation, queries: Representation, kept, by_id, n_queries: int = 0) -> Scorer:
    vectors = checked_vectors(documents, len(by_id))
    asked = vectors if queries is documents else checked_vectors(queries, n_queries)
    return cosine_scorer(asked[kept], vectors[by_id])


def _bm25_scorer(texts, query_texts, kept, by_id) -> Scorer:
    if texts is None or query_texts is None:
        raise InputError(
            "texts: BM25 ranks texts, not vectors; pass the texts of documents and queries or leave it out."
        )
    index, asked = BM25([texts[i] for i in by_id]), [query_texts[i] for i in kept]
    return lambda rows: index.scores(asked[rows])


def _add_bm25(scorers: dict[Representation, Callable[[], Scorer]], make: Callable[[], Scorer], fused: str) -> None:
    """Add BM25 to the scorers, and the sum of its standardised scores and those of the vectors named `fused`."""
    make = cache(make)  # of both: its index takes longer than the searches
    scorers[BM25_REPRESENTATION] = make
    for vectors, make_cosines in [pair for pair in scorers.items() if fused and pair[0].name == fused]:
        both = Representation("lm_bm25", vectors.pooling, vectors.postprocess, None)
        scorers[both] = partial(_summed_scorer, make_cosines, make)


def _summed_scorer(*make: Callable[[], Scorer]) -> Scorer:
    scorers = [one() for one in make]
    return lambda rows: sum(standardised(scorer(rows)) for scorer in scorers).astype(np.float32)


def _rank(scorers, n_relevant, judge, ids, by_id, excluded, corpus_name, seed, note):
    """Search and evaluate with every scorer, made one at a time; scorers see the documents in the order `by_id`.

    `n_relevant`: query id -> number of relevant documents, in the order of the scorers' queries.
    """
    query_ids, position_by_id = list(n_relevant), np.argsort(by_id)
    hidden = [position_by_id[excluded.get(q, np.empty(0, dtype=int))] for q in query_ids]
    depth = min(len(ids), max(DEPTH, *n_relevant.values(), 10))
    make_evaluators = partial(_evaluators, judge, query_ids, depth)
    kept = list(make_evaluators()) if sum(n_relevant.values()) <= JUDGMENTS_KEPT else None
    values, first, rows, left_out = {name: {} for name in METRICS}, {}, [], []
    about = {"corpus": corpus_name, "task": "ranking", "n": len(query_ids), "seed": seed}
    for representation, make_scorer in scorers.items():
        start = time.perf_counter()
        try:
            scorer = make_scorer()
        except (SameVectorsError, NoWordError) as error:
            left_out.append(str(error))
            continue
        found = first_documents(scorer, len(query_ids), len(ids), depth=depth, excluded=hidden)
        found = np.where(found < 0, -1, by_id.astype(np.int32)[found])
        table = _evaluate(kept or make_evaluators(), found, query_ids, ids)
        seconds = time.perf_counter() - start
        first[representation.name] = found[:, :10].copy()  # a view would keep all that was found
        for metric in METRICS:
            values[metric][representation.name] = table[metric].to_numpy()
            interval = bootstrap_mean(values[metric][representation.name], seed=seed)
            rows.append(score_row(representation, interval, metric=metric, seconds=seconds, **about))
    if not rows:
        raise InputError(left_out[0])
    note = " ".join([note, *left_out])
    frames = {metric: pd.DataFrame(columns, index=query_ids) for metric, columns in values.items()}
    return to_frame(rows), RankingDetails(query_ids, frames, first, note)


def _evaluators(judge: Judge, query_ids: list[str], depth: int) -> Iterator[tuple[slice, ir_measures.Evaluator]]:
    """One ir-measures evaluator per block of queries, whose rankings have `depth` documents."""
    block_size = max(1, min(QUERY_BLOCK, DICTIONARY_ENTRIES // depth))
    for block in gen_batches(len(query_ids), block_size):
        yield block, ir_measures.evaluator(list(METRICS.values()), {q: judge(q) for q in query_ids[block]})


def _evaluate(evaluators: Iterable, found: np.ndarray, query_ids: list[str], ids: np.ndarray) -> pd.DataFrame:
    """Value of every metric for every query; the run's scores are the ranks, so no evaluator can break ties its own way."""
    descending = np.arange(found.shape[1], 0, -1, dtype=float).tolist()
    names, records = {measure: name for name, measure in METRICS.items()}, []
    for block, evaluator in evaluators:
        run = {
            query: dict(zip(ids[row[row >= 0]].tolist(), descending, strict=False))
            for query, row in zip(query_ids[block], found[block], strict=True)
        }
        records += [(value.query_id, names[value.measure], value.value) for value in evaluator.iter_calc(run)]
    table = pd.DataFrame(records, columns=["query", "metric", "value"])
    table = table.pivot(index="query", columns="metric", values="value").loc[query_ids, list(METRICS)]
    table["RR@10"] = table["RR@10"].where(table["RR@10"] > 1 / 10.5, 0.0)
    return table
