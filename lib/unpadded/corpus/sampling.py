"""Which documents a smaller corpus keeps."""

from collections.abc import Hashable, Mapping, Sequence

import numpy as np

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


def stratified(strata: Sequence[Hashable], n: int, rng: np.random.Generator) -> np.ndarray:
    """Positions of `n` items, spread over the values of `strata` in proportion; int64 [n], ascending."""
    groups: dict[Hashable, list[int]] = {}
    for position, stratum in enumerate(strata):
        groups.setdefault(stratum, []).append(position)
    counts = largest_remainder([len(group) for group in groups.values()], n)
    chosen = [rng.permutation(group)[:count] for group, count in zip(groups.values(), counts, strict=True)]
    return np.sort(np.concatenate(chosen)).astype(np.int64)


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
