"""Search of a set of embeddings: by vectors, by words (BM25), or by both.

Near is by plain cosine, as the ranking evaluation has it (notebook 07), so that a score here is a score there. How high
cosines are depends on the model and the pooling (states share a direction: Ethayarajh, EMNLP 2019), so it is their order
within a query that says something, not their height.

By both, the two scores are standardised over the candidates of either and summed. Words find names and numbers that a vector
does not keep, vectors what is said in other words. On two collections with judgments, sums of the z-scores of a tuned
model's vectors and of TF-IDF ranked better than either alone, and a little better than reciprocal ranks (Cormack et al.,
SIGIR 2009), which forget by how much the first is ahead. On cranfield, with LSA for the vectors, sums over the
candidates alone ranked as sums over all documents do (nDCG@10 0.366), and there LSA alone was better still (0.372).
"""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from unpadded.common import SEARCHED_BY, InputError, fork_safe_lock, nearest_rows
from unpadded.embeddings.fusion import found_by, summed
from unpadded.embeddings.index import SearchIndex, build_index, ranked, stored_index, vector_blocks, vectors_at
from unpadded.embeddings.store import Embeddings
from unpadded.embeddings.words import WordIndex, first_rows, stored_words
from unpadded.encoding import DocumentEncoder
from unpadded.model import LanguageModel
from unpadded.tokens import checked_texts

EXACT_UP_TO = 200_000  # documents; up to here every one is compared with the query
QUERIES_AT_ONCE = 256
SAMPLE, SAMPLE_WORDS = 128, 8  # queries of each kind on which an index's recall is measured; words of a short one
EXTRA = 8  # documents ranked again beside the k: a matrix product may swap cosines that are nearly equal
INDEXING = fork_safe_lock()
CANDIDATES, LEAST_CANDIDATES = 10, 200  # of each side for one result of both, and for few results
LEAST_FIRST = 10  # a side found what is among its first k, or its first ten
COLUMNS = ("query", "rank", "score", "id", "words", "found_by")


class DocumentSearch:
    """Finds the documents of `embeddings` that are nearest to a query, which `lm` has to read as it read them.

    `by`: "vectors" compares cosines, "words" BM25 over the words kept beside the vectors, "both" sums the two (`search`).
    Both becomes vectors, and a sentence to `say`, where no index of words can be used; the attribute `by` says what it is.
    `pooling`: one that the set holds (default: mean, the best ranking in the reference run, where it is there).
    `exact_up_to`: documents up to which every one is compared; a larger set gets an approximate index, made with the first
    search and kept beside the vectors. `say` is called with sentences about the indexes. Raises `InputError` for another model
    than the set's, a pooling that it does not hold, a weighted mean, whose weights are not kept, and a search by words alone
    without their index. Any number of threads may search at once.
    """

    def __init__(
        self,
        embeddings: Embeddings,
        lm: LanguageModel,
        *,
        pooling: str | None = None,
        by: str = "both",
        exact_up_to: int = EXACT_UP_TO,
        say: Callable[[str], None] = lambda sentence: None,
    ):
        self.embeddings, self.exact_up_to, self.say = embeddings, exact_up_to, say
        self.pooling = _checked_pooling(embeddings, pooling)
        if by not in SEARCHED_BY:
            raise InputError(f"by is {by!r}: search by one of {', '.join(SEARCHED_BY)}.")
        _refuse_other_model(embeddings, lm)
        settings = embeddings.manifest["settings"]
        precision = (
            "float32" if settings["precision"] == "float16" else settings["precision"]
        )  # float16 is CUDA's alone
        layer = settings["layers"][0] if len(settings["layers"]) == 1 else "all"
        self.encoder = DocumentEncoder(lm, self.pooling, precision, layer=layer)
        self._index: SearchIndex | None = None
        self._index_missed = False  # no index finds enough in these vectors
        self._words_held: WordIndex | None = None
        self.by = by if by == "vectors" else self._by_words(by)

    @classmethod
    def open(cls, folder: str | os.PathLike, *, model: str | os.PathLike | None = None, **options) -> "DocumentSearch":
        """Search the embeddings in `folder` with the model that made them, found by itself unless `model` says where.

        `options` are the constructor's. Raises `InputError` as it does and where one of the two cannot be read.
        """
        embeddings = Embeddings.open(folder)
        return cls(embeddings, LanguageModel.load(model or find_model(embeddings)), **options)

    def search(self, queries: Sequence[str], *, k: int = 10) -> pd.DataFrame:
        """The first `k` documents of each query; columns query, rank (from 1), score, id, words, found_by.

        `words` are the document's first words (empty for sets that keep none). `score` is a cosine by vectors, BM25's by
        words, and by both the sum of the two, each standardised (mean 0, standard deviation 1) over the candidates: the first
        max(10 k, 200) of either side, whose cosines are all exact. So only the order of scores means something, and only
        within a query. `found_by`: "vectors", "words" or "both", in whose first max(k, 10) the document stands;
        "both", too, where it is in neither and only the sum puts it there.

        By words, a document without a word of the query is not found, so there may be fewer than `k`. By both, a side that
        knows nothing leaves it to the other: words where no document has a word of the query, vectors where the model knows
        none and some document has one. Raises `InputError` for a query that is no str or has no word in it.
        """
        queries = _checked_queries(queries)
        rows = []
        for first in range(0, len(queries), QUERIES_AT_ONCE):
            some = queries[first : first + QUERIES_AT_ONCE]
            for query, (found, scores, sides) in zip(some, self._found(some, k), strict=True):
                rows += [
                    (query, rank, float(score), self.embeddings.ids[row], self._words(row), side)
                    for rank, (row, score, side) in enumerate(zip(found, scores, sides, strict=True), start=1)
                ]
        return pd.DataFrame(rows, columns=list(COLUMNS))

    def nearest(self, vectors: np.ndarray, k: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Rows and cosines of the `k` documents nearest to each of `vectors`, float32 [n, width]; best first."""
        index = self._usable_index(k)
        if index is not None:
            return index.nearest(vectors, k)
        rows, _ = nearest_rows(vectors, vector_blocks(self.embeddings, self.pooling), k + EXTRA)
        return [ranked(self.embeddings, self.pooling, *found, k) for found in zip(vectors, rows, strict=True)]

    def unknown(self, query: str) -> bool:
        """Whether no word of the query is in the model's vocabulary."""
        tokens = self.encoder.lm.numericalize([query], n_workers=1)[0]
        return not any(t and not self.encoder.lm.vocab[t].startswith("xx") for t in tokens)

    def _found(self, queries: list[str], k: int) -> Iterator[tuple[np.ndarray, np.ndarray, list[str]]]:
        """Rows, scores and what found them, best first, of each query."""
        index = self._words_held
        if self.by == "words" and index is not None:
            for query in queries:
                scores = index.scores(query)
                rows = first_rows(scores, k)
                yield rows, scores[rows], ["words"] * len(rows)
            return
        vectors = self.encoder.encode(queries)
        if index is None:
            for rows, scores in self.nearest(vectors, k):
                yield rows, scores, ["vectors"] * len(rows)
            return
        depth = max(CANDIDATES * k, LEAST_CANDIDATES)
        for query, vector, (near, _) in zip(queries, vectors, self.nearest(vectors, depth), strict=True):
            bm25 = index.scores(query)
            held = first_rows(bm25, depth)
            if len(held) and self.unknown(query):
                near = near[:0]  # a vector of unknown words alone is the same whatever they are
            rows = np.union1d(near, held)
            cosines = self._cosines(vector, rows) if len(near) else np.zeros(len(rows))
            best, sums = summed(rows, cosines, bm25[rows], k)
            first = max(k, LEAST_FIRST)
            yield best, sums, found_by(best, near[:first], held[:first])

    def _cosines(self, vector: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The exact cosines of a query and the documents in `rows`, which are ascending; float32."""
        order, cosines = ranked(self.embeddings, self.pooling, vector, rows, len(rows))
        return cosines[np.argsort(order)]

    def _by_words(self, by: str) -> str:
        """Open the index of words; `by`, or "vectors" where both are asked for and there is none."""
        try:
            self._words_held = stored_words(self.embeddings.folder, self.embeddings.manifest["settings"]["corpus"])
        except InputError as error:
            if by == "words":
                raise
            self.say(f"searched by vectors alone, for {error}")
            return "vectors"
        return by

    def _words(self, row: int) -> str:
        beginnings = self.embeddings.beginnings
        return "" if beginnings is None else bytes(beginnings[row]).decode("utf-8", "replace")

    def _usable_index(self, k: int) -> SearchIndex | None:
        """The index, where the set is large and few of its documents are wanted; otherwise the search is exact."""
        n = len(self.embeddings)
        if n <= self.exact_up_to or 20 * k > n or self._index_missed:
            return None
        with INDEXING:  # one thread makes it, the others wait for it
            if self._index is None and not self._index_missed:
                self._index = stored_index(self.embeddings, self.pooling, say=self.say) or self._made_index()
                self._index_missed = self._index is None
        return self._index

    def _made_index(self) -> SearchIndex | None:
        self.say(f"making an index of {len(self.embeddings):,} documents ...")
        sample, own_rows = self._sample()
        return build_index(self.embeddings, self.pooling, sample, own_rows=own_rows, say=self.say)

    def _sample(self) -> tuple[np.ndarray, np.ndarray]:
        """Queries to measure an index with: documents, and short ones that are the first words of other documents."""
        rng = np.random.default_rng(0)
        rows = rng.choice(len(self.embeddings), min(2 * SAMPLE, len(self.embeddings)), replace=False)
        documents, others = np.sort(rows[:SAMPLE]), np.sort(rows[SAMPLE:])
        vectors = [vectors_at(self.embeddings, self.pooling, documents)]
        own_rows = [documents]
        if self.embeddings.beginnings is not None and len(others):
            short = [" ".join(self._words(row).split()[:SAMPLE_WORDS]) for row in others]
            vectors.append(self.encoder.encode(short))
            own_rows.append(np.full(len(others), -1))
        return np.concatenate(vectors), np.concatenate(own_rows)


def find_model(embeddings: Embeddings) -> Path:
    """The folder of the model that made a set: where it lay then, or `language_model` beside the set, as a run has it.

    Raises `InputError` where neither is there.
    """
    recorded = embeddings.manifest["about"].get("model_folder")
    beside = [parent / "language_model" for parent in embeddings.folder.resolve().parents[:2]]
    for folder in [Path(recorded), *beside] if recorded else beside:
        if folder.is_dir():
            return folder
    was = f" (it was {recorded})" if recorded else ""
    raise InputError(f"The model that made {embeddings.folder} is not found{was}: say where it is with --model.")


def _refuse_other_model(embeddings: Embeddings, lm: LanguageModel) -> None:
    made_by, given = embeddings.manifest["settings"]["model"], lm.fingerprint
    if made_by != given:
        raise InputError(
            f"The embeddings in {embeddings.folder} were made by another model ({made_by[:12]}..., this is "
            f"{given[:12]}...): give the model that made them, or embed the documents again."
        )


def _checked_pooling(embeddings: Embeddings, pooling: str | None) -> str:
    held = [name for name in embeddings.poolings if name != "weighted_mean"]
    if pooling is None and held:
        return "mean" if "mean" in held else held[0]
    if pooling not in held:
        raise InputError(
            f"{embeddings.folder} cannot be searched by {pooling or 'weighted_mean'!r}: it has {', '.join(held) or 'no'} "
            "pooling of the model alone; choose one or embed again."
        )
    return pooling


def _checked_queries(queries: Sequence[str]) -> list[str]:
    if isinstance(queries, str):
        raise InputError("The queries are one str: put it in a list.")
    queries = checked_texts(queries)
    empty = [i for i, query in enumerate(queries, start=1) if not query.strip()]
    if empty:
        raise InputError(f"Query {empty[0]} has no word in it: write what to look for.")
    return queries
