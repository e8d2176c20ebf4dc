"""What an evaluation found on a corpus: one object with a table, a picture and sentences. (06, 07, 08)"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from unpadded.common import POOLINGS, POSTPROCESSES
from unpadded.corpus import Corpus
from unpadded.evaluation import (
    Representation,
    against,
    classify_all,
    cluster_all,
    compared,
    concatenate,
    copied,
    rank_corpus,
    recommended_name,
    split_documents,
    unprocessed,
    unprocessed_rows,
    verdicts,
    with_topics,
)
from unpadded.report.plots.scores import method_names, postprocess_lines, score_bars

VECTORS = ["method", "pooling", "postprocess"]


@dataclass(frozen=True, eq=False)
class Finding:
    """What was found on one corpus, in ranking by one of its tasks.

    `documents` are those that were scored and `vectors` their representations; `scores` is the long table; `details` what the
    evaluation hands back beside it. `metric` is the one that is shown, `tested` the one whose value for each item tests
    compare: `per_item`, method -> float [n_items]. `chosen`: the name of the recommended vectors, empty where there are none.
    """

    name: str
    documents: Corpus
    vectors: list[Representation]
    scores: pd.DataFrame
    details: Any
    per_item: Mapping[str, np.ndarray]
    metric: str
    tested: str
    chosen: str
    seed: int

    @property
    def note(self) -> str:
        """What was left out, and why."""
        return self.details.note

    def table(self) -> pd.DataFrame:
        """Every metric (columns) of all vectors (rows), three decimals."""
        named = self.scores.assign(vectors=method_names)
        return named.pivot_table(index="vectors", columns="metric", values="value", sort=False).round(3)

    def plot(self) -> Figure:
        """Bars of `metric`, best on top, of the vectors that no post-processing has changed."""
        return score_bars(unprocessed_rows(self.scores), self.metric)

    def plot_steps(self) -> Figure | None:
        """The model's vectors after each post-processing; None where none of them was measured."""
        return _steps(self.scores, self.metric)

    def verdicts(self, first: str, rivals: Sequence[str] = ()) -> list[str]:
        """A sentence for each of `rivals` that was measured: does `first` beat it? They are tested together.

        Without any: BM25 and all vectors that no post-processing has changed.
        """
        rivals = rivals or ["bm25", *(one.name for one in unprocessed(self.vectors))]
        return self._said([(first, rival) for rival in rivals])

    def step_verdicts(self) -> list[str]:
        """A sentence for each pooling and post-processing: does it beat the pooling without?"""
        steps = product(POOLINGS, POSTPROCESSES[1:])
        return self._said([(f"{pooling} + {step}", pooling) for pooling, step in steps])

    def tests(self) -> pd.DataFrame:
        """The recommended vectors against each other one: `compare`'s columns, with corpus, metric and seed."""
        return against(self.chosen, self.per_item, corpus=self.name, metric=self.tested, seed=self.seed)

    def _said(self, pairs: list[tuple[str, str]]) -> list[str]:
        return verdicts(self.per_item, pairs, metric=self.tested, seed=self.seed)


class Findings:
    """What was found on several corpora by one evaluation; iterate over it for each `Finding`."""

    def __init__(self, found: Iterable[Finding]):
        self._found = list(found)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    @property
    def scores(self) -> pd.DataFrame:
        """The long tables under one another."""
        return concatenate([one.scores for one in self])

    def table(self, metric: str = "") -> pd.DataFrame | None:
        """One `metric` of all vectors on every corpus (columns); without one all metrics (columns). None of nothing."""
        scores = self.scores
        if metric:
            scores = scores[scores.metric == metric]
        index, columns = (VECTORS, "corpus") if metric else (["corpus", *VECTORS], "metric")
        found = scores.pivot_table(index=index, columns=columns, values="value", sort=False).round(3)
        return found if len(found) else None

    def plot(self) -> Figure | None:
        """A panel of bars for each corpus, of unprocessed vectors; None of nothing."""
        plain = unprocessed_rows(self.scores)
        return score_bars(plain, self._found[0].metric) if len(plain) else None

    def plot_steps(self) -> Figure | None:
        """The model's vectors after each post-processing; None where none of them was measured."""
        return _steps(self.scores, self._found[0].metric) if len(self) else None

    def tests(self) -> pd.DataFrame:
        """Every corpus's tests of what is recommended, under one another."""
        return pd.concat([one.tests() for one in self])


def find_clusters(
    corpus: Corpus,
    run: str | os.PathLike,
    *,
    n_seeds: int = 10,
    poolings: str = "",
    postprocesses: str = "",
    seed: int = 0,
) -> Finding:
    """Cluster the documents of a run that have a topic, by each of its vectors (`compared`, `cluster_all`)."""
    vectors = compared(corpus, run, poolings=poolings, postprocesses=postprocesses, seed=seed)
    documents, vectors = with_topics(corpus, vectors)
    about = {"corpus_name": documents.name, "ids": documents.ids, "seed": seed}
    scores, details = cluster_all(vectors, documents.labels, n_seeds=n_seeds, **about)
    shown = {"metric": "v_measure", "tested": "AMI", "chosen": recommended_name(run), "seed": seed}
    return Finding(corpus.name, documents, vectors, scores, details, details.per_item(), **shown)


def find_ranked(
    corpus: Corpus,
    run: str | os.PathLike,
    *,
    n_queries: int = 1_000,
    poolings: str = "",
    postprocesses: str = "",
    seed: int = 0,
) -> list[Finding]:
    """Rank by each of a run's vectors whatever the corpus lets one rank (`compared`, `rank_corpus`): a finding for each task.

    BM25 joins unless `poolings` leaves it out.
    """
    vectors = compared(corpus, run, queries=True, poolings=poolings, postprocesses=postprocesses, seed=seed)
    bm25, chosen = not poolings or "bm25" in poolings, recommended_name(run)
    found = rank_corpus(corpus, vectors, n_queries=n_queries, bm25=bm25, fused=chosen, seed=seed)
    shown = {"metric": "nDCG@10", "tested": "nDCG@10", "chosen": chosen, "seed": seed}
    return [
        Finding(f"{corpus.name}, {task}", corpus, vectors, result.scores, result, result.per_item, **shown)
        for task, result in found.items()
    ]


def find_classes(
    corpus: Corpus, run: str | os.PathLike, *, poolings: str = "", postprocesses: str = "", seed: int = 0
) -> Finding:
    """Classify a run's test documents by each of its vectors (`compared`, `classify_all`); words stand there as TF-IDF."""
    vectors = compared(corpus, run, words="tfidf", poolings=poolings, postprocesses=postprocesses, seed=seed)
    train, test = split_documents(corpus.labels, corpus.split, texts=corpus.texts, seed=seed)
    about = {"corpus_name": corpus.name, "ids": corpus.ids, "seed": seed}
    scores, details = classify_all(vectors, corpus.labels, train=train, test=test, **about)
    shown = {"metric": "accuracy", "tested": "accuracy", "chosen": recommended_name(run), "seed": seed}
    return Finding(corpus.name, corpus, vectors, scores, details, details.per_item(), **shown)


def split_said(corpus: Corpus, *, seed: int = 0) -> str:
    """How many documents of a corpus are trained and tested on, and how many of the latter are copies, in a sentence."""
    train, test = split_documents(corpus.labels, corpus.split, texts=corpus.texts, seed=seed)
    copies = len(copied(corpus.texts, train, test))
    return f"{corpus.name}: {len(train):,} training and {len(test):,} test documents, {copies} of them copies"


def _steps(scores: pd.DataFrame, metric: str) -> Figure | None:
    of_model = scores[scores.method == "lm"]
    return postprocess_lines(of_model, metric) if len(of_model) else None
