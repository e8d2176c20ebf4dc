"""Which documents a smaller corpus keeps."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

A_TOPIC = 4  # documents of a topic that a sample should hold
QUERIES_IN_PART = 10  # that a sample keeps where none fits into it with all its documents


def largest_remainder(sizes: Sequence[int], n: int) -> list[int]:
    """Split `n` over groups in proportion to `sizes` (Hamilton's method); ties go to the earlier group.

    Returns one count a group, none above the group's size, summing to `n`; `n` must not exceed the sum of `sizes`.
    """
    total = sum(sizes)
    counts = [size * n // total for size in sizes]
    by_remainder = sorted(range(len(sizes)), key=lambda group: -(sizes[group] * n % total))
    for group in by_remainder[: n - sum(counts)]:
        counts[group] += 1
    return counts


def stratified(strata: Sequence[tuple[str, str | None]], n: int, rng: np.random.Generator) -> np.ndarray:
    """Positions of `n` items, spread over the splits and, within each, the labels of `strata` in proportion.

    A stratum is (split, label); int64 [n], ascending. So no split is lost to many small labels.
    """
    splits: dict[str, dict[str | None, list[int]]] = {}
    for position, (split, label) in enumerate(strata):
        splits.setdefault(split, {}).setdefault(label, []).append(position)
    counts = largest_remainder([sum(map(len, labels.values())) for labels in splits.values()], n)
    chosen = [np.empty(0, np.int64)]
    for labels, count in zip(splits.values(), counts, strict=True):
        of_label = largest_remainder([len(group) for group in labels.values()], count)
        chosen += [rng.permutation(group)[:few] for group, few in zip(labels.values(), of_label, strict=True)]
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def of_few_topics(labels: Sequence[str | None], n: int, rng: np.random.Generator) -> np.ndarray:
    """Positions that a sample of `n` is drawn from, int64, ascending: all, or those of some topics drawn at random where
    there are so many that the sample would hold less than A_TOPIC documents of most."""
    sizes = Counter(label for label in labels if label is not None)
    if len(sizes) * A_TOPIC <= n:
        return np.arange(len(labels))
    alone = [topic for topic, size in sizes.items() if size < 2]  # taken last: nothing can be measured on them
    order = [topic for topic in sizes if sizes[topic] > 1]
    order = [order[i] for i in rng.permutation(len(order))] + alone
    room, kept = n, set()
    for topic in order:
        if room <= 0 and len(kept) >= max(2, n // A_TOPIC):
            break
        kept.add(topic)
        room -= sizes[topic]
    return np.array([i for i, label in enumerate(labels) if label is None or label in kept], dtype=np.int64)


def judged(
    ids: Sequence[str], relevance: Mapping[str, Mapping[str, int]], n: int, rng: np.random.Generator
) -> tuple[np.ndarray, list[str], bool]:
    """Positions (int64 [n], ascending) and query ids, so that each query keeps all the documents it was judged on.

    Queries are taken in random order while their documents fill at most half of the sample; the rest of it is drawn
    from all other documents, which the queries must be able to tell apart. Where no query fits, a few of them keep some
    of their relevant documents; the last value says whether all were kept whole.
    """
    position = {document: i for i, document in enumerate(ids)}
    order = rng.permutation(sorted(relevance)).tolist()
    kept: set[int] = set()
    queries: list[str] = []
    for query in order:
        wanted = kept | {position[document] for document in relevance[query]}
        if len(wanted) <= n // 2:
            kept, queries = wanted, [*queries, query]
    whole = bool(queries)
    if not whole:
        queries = order[: min(QUERIES_IN_PART, max(1, n // 2))]
        each = max(1, n // 2 // len(queries))
        for query in queries:
            relevant = [document for document, grade in relevance[query].items() if grade > 0]
            kept |= {position[relevant[i]] for i in rng.permutation(len(relevant))[:each]}
    others = np.array([i for i in range(len(ids)) if i not in kept], dtype=np.int64)
    fill = rng.permutation(others)[: n - len(kept)]
    return np.sort(np.concatenate([np.array(sorted(kept), dtype=np.int64), fill])), queries, whole
