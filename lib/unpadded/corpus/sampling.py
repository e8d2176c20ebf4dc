"""Which documents a smaller corpus keeps."""

from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from unpadded.common import InputError


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
) -> tuple[np.ndarray, list[str]]:
    """Positions (int64 [n], ascending) and query ids, so that each query keeps all the documents it was judged on.

    Queries are taken in random order while their documents fill at most half of the sample; the rest of it is drawn
    from all other documents, which the queries must be able to tell apart. Raises `InputError` where no query fits.
    """
    position = {document: i for i, document in enumerate(ids)}
    kept: set[int] = set()
    queries: list[str] = []
    for query in rng.permutation(sorted(relevance)).tolist():
        wanted = kept | {position[document] for document in relevance[query]}
        if len(wanted) <= n // 2:
            kept, queries = wanted, [*queries, query]
    if not queries:
        smallest = min(sorted(relevance), key=lambda query: len(relevance[query]))
        kept, queries = {position[document] for document in relevance[smallest]}, [smallest]
        if len(kept) > n:
            raise InputError(f"a sample of {n} documents cannot hold one whole query: ask for at least {len(kept)}")
    others = np.array([i for i in range(len(ids)) if i not in kept], dtype=np.int64)
    fill = rng.permutation(others)[: n - len(kept)]
    return np.sort(np.concatenate([np.array(sorted(kept), dtype=np.int64), fill])), queries
