"""An approximate index of document vectors, for sets too large to be compared with a query one by one.

The index is usearch's graph (HNSW: Malkov & Yashunin, IEEE TPAMI 42(4), 2020) over unit vectors in half precision. What it
proposes is ranked again by the exact cosine, so scores are exact and only a document that it overlooks is lost. It lies
beside the embeddings, belongs to one manifest (by checksum) and is made again when that changes.

usearch, not hnswlib or faiss-cpu: it has wheels for every platform (hnswlib has none and compiles), stores half precision,
maps its file into memory, and brings no second OpenMP runtime and BLAS into a process that already has torch's, as
faiss-cpu does.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import usearch
from sklearn.preprocessing import normalize
from usearch.index import Index

from unpadded.common import CONCAT, atomic_write, fork_safe_lock, nearest_rows, read_json, sha256_of, write_json
from unpadded.embeddings.store import MANIFEST, Embeddings

FORMAT = "unpadded search index 1"
RECALL_AT, TARGET = 10, 0.95
CONNECTIVITIES = (16, 32, 64)  # links of a document in the graph; more cost memory and time and find more
EXPANSIONS = (64, 128, 256, 512, 1024)  # candidates that a search keeps
BLOCK_BYTES = 32 * 2**20  # vectors held at once
GRAPH = fork_safe_lock()  # a graph's settings and its scratch space are shared by all threads
CANDIDATES = 3  # for each result, to be ranked again by the exact cosine


@dataclass(frozen=True)
class IndexFacts:
    """What is known of an index: whose it is (`manifest`, a checksum), how it was made, and how much it finds."""

    manifest: str
    documents: int
    connectivity: int
    expansion: int
    recall: float
    sample: int
    usearch: str = usearch.__version__
    format: str = FORMAT


class SearchIndex:
    """A graph over one pooling of a set of embeddings; get one with `stored_index` or `build_index`."""

    def __init__(self, embeddings: Embeddings, pooling: str, graph: Index, facts: IndexFacts):
        self.embeddings, self.pooling, self.facts = embeddings, pooling, facts
        self._graph = graph

    def nearest(self, queries: np.ndarray, k: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Rows and cosines of about the `k` nearest documents of each query, best first: int64 and float32 [<= k].

        `queries`: float32 [n_queries, width of the pooling]. A document that the graph overlooks is missing.
        """
        wanted = min(CANDIDATES * k, len(self.embeddings))
        with GRAPH:
            self._graph.expansion_search = max(self.facts.expansion, wanted)
            found = [self._graph.search(unit, wanted).keys.astype(np.int64) for unit in normalize(queries)]
        return [ranked(self.embeddings, self.pooling, *pair, k) for pair in zip(queries, found, strict=True)]


def index_path(embeddings: Embeddings, pooling: str) -> Path:
    """Where the index of a pooling lies; its facts lie beside it, with `.json` behind the name."""
    return embeddings.folder / f"{pooling}.usearch"


def stored_index(embeddings: Embeddings, pooling: str, *, say: Callable[[str], None]) -> SearchIndex | None:
    """The index that lies beside the embeddings; `None`, and a sentence to `say`, where it is of no use any more.

    Its checksum is compared before usearch, which trusts its input, reads a byte.
    """
    path = index_path(embeddings, pooling)
    if not path.with_suffix(".usearch.json").is_file():
        return None
    try:
        kept = read_json(path.with_suffix(".usearch.json"))
        digest = kept.pop("sha256")
        facts = IndexFacts(**kept)
        if facts.format != FORMAT or facts.usearch != usearch.__version__:
            say(f"{path} was made by another version: it is made again.")
        elif facts.manifest != sha256_of(embeddings.folder / MANIFEST):
            say(f"{path} was made from other embeddings: it is made again.")
        elif sha256_of(path) != digest:
            say(f"{path} is damaged: it is made again.")
        else:
            return SearchIndex(embeddings, pooling, Index.restore(path, view=True), facts)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        say(f"{path} cannot be read ({type(error).__name__}): it is made again.")
    return None


def build_index(
    embeddings: Embeddings,
    pooling: str,
    sample: np.ndarray,
    *,
    own_rows: np.ndarray,
    target: float = TARGET,
    say: Callable[[str], None],
) -> SearchIndex | None:
    """Make an index that finds at least `target` of the 10 nearest documents, store it, and say what it finds.

    `sample`: float32 [n, width], queries on which the recall against the exact search is measured; `own_rows`: int64 [n],
    the document that a query is itself and that does not count, -1 for none. Graphs become denser and searches wider until
    the target is met; `None` where even the densest misses it.
    """
    exact = nearest_rows(sample, vector_blocks(embeddings, pooling), RECALL_AT + 1)
    manifest = sha256_of(embeddings.folder / MANIFEST)
    for connectivity in CONNECTIVITIES:
        graph = _graph(embeddings, pooling, connectivity)
        for expansion in EXPANSIONS:
            facts = IndexFacts(manifest, len(embeddings), connectivity, expansion, 0.0, len(sample))
            recall = _recall(SearchIndex(embeddings, pooling, graph, facts), sample, own_rows, exact)
            if recall >= target:
                index = SearchIndex(embeddings, pooling, graph, replace(facts, recall=recall))
                say(
                    f"index of {len(embeddings):,} documents: recall@{RECALL_AT} {recall:.3f} against exact search on "
                    f"{len(sample)} queries (connectivity {connectivity}, expansion {expansion})"
                )
                _store(index, say)
                return index
    say(f"no index reaches a recall@{RECALL_AT} of {target} (the last {recall:.3f}): the search stays exact")
    return None


def vector_blocks(embeddings: Embeddings, pooling: str) -> Iterator[np.ndarray]:
    """The vectors of a pooling (concat: its parts side by side) in blocks, float32 [*, width], in order."""
    parts = CONCAT if pooling == "concat" else (pooling,)
    step = max(BLOCK_BYTES // (4 * len(parts) * embeddings.width), 1)
    for first in range(0, len(embeddings), step):
        yield vectors_at(embeddings, pooling, slice(first, first + step))


def ranked(
    embeddings: Embeddings, pooling: str, query: np.ndarray, rows: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """The `k` of `rows` that are nearest to `query` [width], best first, and their cosines, float32 [k].

    A cosine is added up in float64 and for this pair alone, so it does not depend on what else was asked or found.
    """
    rows = np.sort(rows)
    unit = normalize(query[None].astype(np.float64))
    cosines = (normalize(vectors_at(embeddings, pooling, rows).astype(np.float64)) * unit).sum(axis=1)
    best = np.argsort(-cosines.astype(np.float32), kind="stable")[:k]  # equal ones in the order of the documents
    return rows[best], cosines[best].astype(np.float32)


def vectors_at(embeddings: Embeddings, pooling: str, rows: np.ndarray | slice) -> np.ndarray:
    """Some rows of a pooling in memory, float32 [n, width]."""
    parts = CONCAT if pooling == "concat" else (pooling,)
    return np.concatenate([embeddings[part][rows] for part in parts], axis=1)


def _graph(embeddings: Embeddings, pooling: str, connectivity: int) -> Index:
    width = embeddings.width * (len(CONCAT) if pooling == "concat" else 1)
    # The inner product of unit vectors is their cosine, and that of a document without tokens, a zero vector, is 0.
    graph = Index(
        ndim=width, metric="ip", dtype="f16", connectivity=connectivity, expansion_add=8 * connectivity, multi=False
    )
    first = 0
    for block in vector_blocks(embeddings, pooling):
        graph.add(np.arange(first, first + len(block), dtype=np.uint64), normalize(block))
        first += len(block)
    return graph


def _recall(index: SearchIndex, sample: np.ndarray, own_rows: np.ndarray, exact: tuple) -> float:
    """Mean share of the 10 nearest documents that are found; of documents as near as the tenth, any will do."""
    shares = []
    for own, rows, cosines, (found, near) in zip(own_rows, *exact, index.nearest(sample, RECALL_AT + 1), strict=True):
        expected = cosines[rows != own][:RECALL_AT]
        near = near[found != own][:RECALL_AT]
        shares.append((near >= expected[-1] - 1e-6).sum() / len(expected) if len(expected) else 1.0)
    return float(np.mean(shares))


def _store(index: SearchIndex, say: Callable[[str], None]) -> None:
    """Write the graph and, last, its facts; without room or permission, the index is used and not kept."""
    path = index_path(index.embeddings, index.pooling)
    try:
        with atomic_write(path) as file:
            index._graph.save(file.name)
        write_json(path.with_suffix(".usearch.json"), {**asdict(index.facts), "sha256": sha256_of(path)})
    except (OSError, RuntimeError) as error:
        say(
            f"the index cannot be kept in {os.fspath(index.embeddings.folder)} ({error}): the next search makes it again"
        )
