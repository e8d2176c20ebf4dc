"""What the stages need of a corpus, stated in one place and checked before anything is trained.

`Stage.asks` names some of `NEEDS`, of which the corpus has to satisfy one. Each is a function that says in words what the
corpus lacks, as the end of "it is left out, because ...", and nothing where it lacks nothing.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from unpadded.common import InputError
from unpadded.corpus import Corpus
from unpadded.evaluation import split_documents
from unpadded.runs.profiles import Stage

FEWEST_RATINGS = 3


def left_out(stages: Sequence[Stage], corpus: Corpus) -> dict[str, str]:
    """The stages that cannot be done with a corpus, in order, and why: name -> reason.

    A stage that reads others is left out where all of those are. Raises `InputError` for a corpus with which nothing can be
    done.
    """
    known = {stage.name for stage in stages}
    reasons: dict[str, str] = {}
    for stage in stages:
        before = known & set(stage.needs)
        reason = lacking(stage.asks, corpus)
        if not reason and before and before <= set(reasons):
            reason = "nothing of what it reads is measured"
        if reason:
            reasons[stage.name] = reason
    if known and known == set(reasons):
        raise InputError(
            f"Nothing can be done with the corpus {corpus.name!r}, because {next(iter(reasons.values()))}: give another."
        )
    return reasons


def lacking(asks: str, corpus: Corpus) -> str:
    """What a corpus lacks of the needs that `asks` names, one of which would do, in words; empty where it has one."""
    reasons = [NEEDS[name](corpus) for name in asks.split("|") if asks]
    if not reasons or not all(reasons):
        return ""
    return (
        reasons[0]
        if len(reasons) == 1
        else "the corpus has " + ", ".join(r.removeprefix("the corpus has ") for r in reasons)
    )


def _documents(corpus: Corpus) -> str:
    """A language model reads some documents and is judged by others."""
    with_text = sum(bool(text.strip()) for text in corpus.texts)
    return "" if with_text > 1 else "the corpus has no two documents with text"


def _topics(corpus: Corpus) -> str:
    """Two topics, each in two documents of different text: a topic seen once is told from nothing and finds nothing."""
    texts = defaultdict(set)
    for label, text in zip(corpus.labels or (), corpus.texts, strict=False):
        texts[label].add(text)
    texts.pop(None, None)  # documents without a topic
    if len(texts) < 2:
        return "the corpus has no two topics"
    if sum(len(different) > 1 for different in texts.values()) < 2:
        return "the corpus has no two topics with two different documents each"
    return ""


def _held_out(corpus: Corpus) -> str:
    """A training and a test part, two topics to learn, and something of them in the test."""
    if reason := _topics(corpus):
        return reason
    rows = np.array([i for i, label in enumerate(corpus.labels or ()) if label is not None])
    known = corpus.select(rows) if len(rows) < len(corpus) else corpus
    labels = np.asarray(known.labels, dtype=object)
    try:
        train, test = split_documents(known.labels, known.split, texts=known.texts)
    except InputError:
        return "the corpus has no training and test part with documents of its topics"
    learnt = set(labels[train])
    if len(learnt) < 2:
        return "the corpus has no two topics in its training part"
    return (
        ""
        if learnt & set(labels[test])
        else "the corpus has no document in its test part of a topic that is in training"
    )


def _queries(corpus: Corpus) -> str:
    judged = any(grade > 0 for grades in (corpus.relevance or {}).values() for grade in grades.values())
    return "" if judged else "the corpus has no judged queries"


def _ratings(corpus: Corpus) -> str:
    if corpus.ratings is None:
        return "the corpus has no ratings"
    values = corpus.ratings["rating"]
    return (
        "" if len(values) >= FEWEST_RATINGS and values.nunique() > 1 else "the corpus has no three ratings that differ"
    )


NEEDS: dict[str, Callable[[Corpus], str]] = {
    "documents": _documents,
    "topics": _topics,
    "held-out topics": _held_out,
    "queries": _queries,
    "ratings": _ratings,
}
