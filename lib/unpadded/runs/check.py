"""What a run would do, in words: the corpus as it was understood, what is measured, what is left out and why, how long."""

import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence

from unpadded.corpus import Corpus
from unpadded.runs.stage import StageJob

EXAMPLES, EXAMPLE_CHARACTERS, NAME_CHARACTERS, TOPICS_NAMED = 5, 80, 40, 6
# Seconds on two free cores of the machine of the README: to begin with, and for each million words of the corpus, or, with
# training, for each million words and pass. Measured on 20 Newsgroups, 5 million words.
PRICES = {
    "quick": {"01": (12, 35), "02": (20, 30), "03": (300, 0), "04": (160, 0), "05": (160, 0), "10": (25, 15)},
    "smoke": {"01": (15, 60), "02": (25, 60), "03": (30, 0), "04": (25, 0), "05": (25, 0), "10": (25, 30)},
    "reference": {"01": (12, 50), "02": (60, 60), "03": (900, 0), "04": (400, 0), "05": (450, 0), "10": (400, 60)},
}
SCORING = {"quick": (8, 13), "smoke": (8, 13), "reference": (20, 60)}


def described(corpus: Corpus, n_used: int) -> Iterator[str]:
    """Lines about a corpus as it was read: documents, splits, topics, queries, ratings, notes, and five examples cut short.

    `n_used` says how many of its documents the run takes.
    """
    facts = corpus.describe()
    size = f"{_count(len(corpus), 'document')} of {facts['median_words']:g} words (median)"
    yield f"corpus {in_line(corpus.name, NAME_CHARACTERS)}: {size}"
    if n_used < len(corpus):
        yield f"  this profile takes {n_used:,} of them"
    yield "  parts: " + (_counted(Counter(corpus.split)) if corpus.split else "none given")
    yield "  topics: " + _topics(corpus)
    judged = f"{_count(facts['queries'], 'query', 'queries')}, {_count(facts['judgments'], 'judgment')}"
    yield "  queries: " + (judged if corpus.queries else "none")
    if corpus.ratings is not None:
        yield f"  ratings: {_count(len(corpus.ratings), 'rated pair')}"
    yield from (f"  note: {in_line(note, 200)}" for note in corpus.notes)
    yield f"  {'examples' if len(corpus) > 1 else 'example'}:"
    yield from (f"    {line}" for line in _examples(corpus))


def planned(jobs: Sequence[StageJob], left_out: dict[str, str], corpus: Corpus, profile: str) -> Iterator[str]:
    """Lines about what would be executed, with what is reused, what is left out and why, and about how long it takes."""
    yield f"measured, with the profile {profile}:"
    for job in jobs:
        yield f"  {job.stage.name}" + (" (unchanged, reused)" if job.is_done() else "")
    if left_out:
        yield "left out:"
        yield from (f"  {name}: {reason}" for name, reason in left_out.items())
    yield f"time: {in_words(sum(seconds_of(job, corpus, profile) for job in jobs if not job.is_done()))}"


def seconds_of(job: StageJob, corpus: Corpus, profile: str) -> float:
    """About how many seconds a stage takes on two free cores; a notebook's own parameters count where they set the time."""
    words = sum(len(text.split()) for text in corpus.texts) / 1e6
    begin, rate = PRICES[profile].get(job.stage.name[:2], SCORING[profile])
    passes = job.parameters.get("epochs", 1)
    seconds = begin + rate * words * (passes if isinstance(passes, int) else 1)
    most = job.parameters.get("max_minutes") or 0
    seconds = min(seconds, begin + 60 * most) if isinstance(most, int | float) and most else seconds
    tuning = job.parameters.get("tune_minutes") or 0  # which it takes whatever the corpus, unless its passes are few
    return seconds + (60 * tuning if isinstance(tuning, int | float) and profile != "smoke" else 0)


def in_words(seconds: float) -> str:
    """A rough time as people say it."""
    if not seconds:
        return "nothing is left to do"
    if seconds < 90:
        return "about a minute on two free cores"
    minutes = seconds / 60
    return (
        f"about {minutes:.0f} minutes on two free cores"
        if minutes < 90
        else f"about {minutes / 60:.1f} hours on two free cores"
    )


def in_line(text: str, at_most: int) -> str:
    """A text on one line, without what would move a terminal's cursor, and cut short."""
    plain = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text[: 10 * at_most])
    plain = " ".join(plain.split())
    return plain if len(plain) <= at_most else plain[: at_most - 1].rstrip() + "…"


def _examples(corpus: Corpus) -> Iterator[str]:
    """Documents spread over the corpus: id, topic, part, how the text begins."""
    step = max(len(corpus) // EXAMPLES, 1)
    for row in range(0, len(corpus), step)[:EXAMPLES]:
        about = [field[row] for field in (corpus.labels, corpus.split) if field and field[row] is not None]
        kinds = f" ({', '.join(in_line(name, NAME_CHARACTERS) for name in about)})" if about else ""
        yield f"{in_line(corpus.ids[row], NAME_CHARACTERS)}{kinds}: {in_line(corpus.texts[row], EXAMPLE_CHARACTERS)}"


def _topics(corpus: Corpus) -> str:
    if not corpus.labels:
        return "none"
    counts = Counter(label for label in corpus.labels if label is not None)
    without = len(corpus) - counts.total()
    return f"{len(counts)}: {_counted(counts)}" + (f"; {_count(without, 'document')} without one" if without else "")


def _counted(counts: Counter) -> str:
    """The most frequent names with their counts, and how many more there are."""
    named = ", ".join(f"{in_line(str(name), NAME_CHARACTERS)} {n:,}" for name, n in counts.most_common(TOPICS_NAMED))
    more = len(counts) - TOPICS_NAMED
    return named + (f" and {more:,} more" if more > 0 else "")


def _count(n: int, one: str, many: str = "") -> str:
    return f"{n:,} {one if n == 1 else many or one + 's'}"
