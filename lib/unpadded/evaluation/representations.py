"""The vectors that the evaluations compare: on disk, chosen by name, post-processed.

A folder of representations holds `index.json` and an array of each baseline; the language model's vectors stay in the
folders of embeddings, to which the index points.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from scipy import sparse

from unpadded.common import (
    FROM_STATES,
    OF_MODEL,
    POOLINGS,
    POSTPROCESSES,
    READING_HEADERS,
    InputError,
    atomic_write,
    listed,
    mapped_array,
    read_json,
    write_json,
)
from unpadded.corpus import Corpus
from unpadded.embeddings import Embeddings
from unpadded.evaluation.choice.pieces import pieces_of
from unpadded.evaluation.choice.words import joined_with_words
from unpadded.evaluation.classification import training_documents
from unpadded.evaluation.postprocess import postprocess_all
from unpadded.evaluation.scores import FitRecord, Representation

AS_TRAINED, TUNED = "representations", "representations_tuned"  # folders of a run
ALSO_NAMED = ("bm25",)  # has no vectors: the ranking makes it from the texts


def save(
    baselines: Sequence[Representation],
    folder: str | os.PathLike,
    *,
    stored: Sequence[Representation] = (),
    stores: Sequence[str | os.PathLike] = (),
    ids: Sequence[str] | None = None,
) -> None:
    """Write `baselines` to `folder`, a .npy or .npz file each, and, last, `index.json`; every file atomically.

    `stored` are the model's representations whose vectors the embeddings in the folders `stores` hold (documents, queries,
    pieces); they come first in the index, which names the stores relative to `folder`. `ids`, one for each document and
    query, say what the rows are of (`row_ids`).
    """
    folder = Path(folder)
    seen: list[list[str]] = []  # each set of ids that something was fitted on, once
    where = [os.path.relpath(store, folder) for store in stores]
    entries = [_entry(representation, seen) | {"stores": where} for representation in stored]
    for number, representation in enumerate(baselines):
        vectors = representation.vectors
        name = f"{number:02d}_{representation.name.replace(' ', '_')}.{'npz' if sparse.issparse(vectors) else 'npy'}"
        with atomic_write(folder / name) as file:
            if sparse.issparse(vectors):
                sparse.save_npz(file, sparse.csr_matrix(vectors))
            else:
                np.save(file, vectors, allow_pickle=False)
        entries.append(_entry(representation, seen) | {"file": name})
    about = {} if ids is None else {"rows": _digest(ids)}
    write_json(folder / "index.json", {"representations": entries, "fitted_on": seen} | about)


def load(folder: str | os.PathLike) -> list[Representation]:
    """Read what `save` wrote; arrays are read when their vectors are asked for, dense ones as memory maps.

    Raises `InputError` for a folder that is not whole.
    """
    folder = Path(folder)
    try:
        index = read_json(folder / "index.json")
        seen = [frozenset(ids) for ids in index["fitted_on"]]
        return [
            Representation(
                *(entry[key] for key in ("method", "pooling", "postprocess")),
                _source(folder, entry),
                tuple(FitRecord(name, seen[number]) for name, number in entry["fitted"]),
            )
            for entry in index["representations"]
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{folder} holds no whole set of representations ({error}): run 02_extract_embeddings."
        ) from error


def chosen(
    representations: Sequence[Representation], *, poolings: str = "", postprocesses: str = ""
) -> list[Representation]:
    """The representations that two comma separated lists name; an empty list leaves all.

    `poolings` names poolings and baselines ("mean,concat,tfidf"), `postprocesses` what may be done to the model's vectors;
    unprocessed ones always stay. Raises `InputError` for an unknown name or where nothing is left.
    """
    baselines = dict.fromkeys(r.method for r in representations if r.method not in OF_MODEL)
    wanted = listed(poolings, [*POOLINGS, *baselines, *ALSO_NAMED], what="pooling or baseline")
    steps = {"none", *listed(postprocesses, POSTPROCESSES, what="post-processing")}
    found = [
        r
        for r in representations
        if (r.pooling or r.method) in wanted and (r.method not in OF_MODEL or r.postprocess in steps)
    ]
    if not found:
        raise InputError(
            f"poolings: {poolings!r} leaves nothing to compare; name a pooling or a baseline with vectors."
        )
    return found


def compared(
    corpus: Corpus,
    run: str | os.PathLike,
    *,
    poolings: str = "",
    postprocesses: str = "",
    queries: bool = False,
    words: str = "",
    seed: int = 0,
) -> list[Representation]:
    """What an evaluation compares: a run's chosen representations, the models' after each chosen post-processing.

    Rows are the corpus's documents and, with `queries`, its queries behind them. `words`: the baseline that `lm_words` is
    joined with (empty: an LSA). Transformers are fitted on training documents only, once for all evaluations of the run.
    Raises `InputError` where the run's vectors are of other documents or queries, or of the same in another order.
    """
    found = prepared(corpus, run, poolings=poolings, postprocesses=postprocesses, words=words, seed=seed)
    n_rows = len(corpus) + (len(corpus.queries or ()) if queries else 0)
    return [representation.rows(slice(0, n_rows)) for representation in found]


def prepared(
    corpus: Corpus,
    run: str | os.PathLike,
    *,
    poolings: str = "",
    postprocesses: str = "",
    words: str = "",
    seed: int = 0,
) -> list[Representation]:
    """What `compared` gives, of all rows: documents, queries and the pieces that a choice is made by."""
    folder, tuned = (Path(run) / name / corpus.name for name in (AS_TRAINED, TUNED))
    loaded = _of_these_rows(folder, corpus, again="02_extract_embeddings")
    if tuned.exists():
        loaded += _of_these_rows(tuned, corpus, again="10_teach_the_vectors")
    train, ids = training_documents(corpus, seed), row_ids(corpus)
    loaded += joined_with_words(loaded, ids=ids, train=train, words=words, pieces=pieces_of(corpus, seed=seed))
    found = chosen(loaded, poolings=poolings, postprocesses=postprocesses)
    steps = listed(postprocesses, POSTPROCESSES, what="post-processing")
    of_model = [r for r in found if r.method in FROM_STATES]
    return [
        *postprocess_all(of_model, steps, ids=ids, train=train, keep=folder / "fitted"),
        *(r for r in found if r.method not in FROM_STATES),
    ]


def _of_these_rows(folder: Path, corpus: Corpus, *, again: str) -> list[Representation]:
    """The representations in `folder`; `InputError`, with the notebook to run `again`, where the rows are another corpus's."""
    loaded = load(folder)
    if read_json(folder / "index.json").get("rows") not in (None, _digest(row_ids(corpus))):
        raise InputError(
            f"{folder} holds the vectors of other documents or queries than {corpus.name!r} has, or of the same in another "
            f"order: run {again} again."
        )
    return loaded


def _digest(ids: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(list(ids)).encode()).hexdigest()


def with_topics(corpus: Corpus, representations: Sequence[Representation]) -> tuple[Corpus, list[Representation]]:
    """The documents that have a topic, and their rows of `representations`: all of them where every document has one.

    Raises `InputError` for a corpus without topics.
    """
    labelled = corpus.labelled()
    if labelled is corpus:
        return corpus, list(representations)
    rows = np.flatnonzero([label is not None for label in corpus.labels or ()])
    return labelled, [representation.rows(rows) for representation in representations]


def row_ids(corpus: Corpus) -> list[str]:
    """An id for every row of a corpus's representations: its documents, then its queries."""
    return corpus.ids + [f"query {name}" for name in corpus.queries or {}]


def documents_and_queries(
    representations: Sequence[Representation], n_documents: int
) -> tuple[list[Representation], list[Representation]]:
    """Cut each representation into the rows of the documents and the rows of the queries behind them."""
    return tuple([r.rows(part) for r in representations] for part in (slice(0, n_documents), slice(n_documents, None)))


def _entry(representation: Representation, seen: list[list[str]]) -> dict:
    numbers = []
    for record in representation.fitted:
        ids = sorted(record.ids)
        if ids not in seen:
            seen.append(ids)
        numbers.append([record.fitted, seen.index(ids)])
    keys = ("method", "pooling", "postprocess")
    return {key: getattr(representation, key) for key in keys} | {"fitted": numbers}


def _source(folder: Path, entry: dict):
    if "stores" in entry:
        name = "weighted_mean" if entry["postprocess"] == "idf" else entry["pooling"]
        stores = [Embeddings.open(folder / store) for store in entry["stores"]]
        return partial(_stored, stores, name)
    path = folder / entry["file"]
    if path.suffix != ".npz":
        return mapped_array(path)
    with READING_HEADERS:
        return sparse.load_npz(path)


def _stored(stores: Sequence[Embeddings], name: str) -> np.ndarray:
    """The rows of one store or, with queries, of two; a memory map where nothing has to be joined."""
    if len(stores) == 1 and name != "concat":
        return stores[0][name]
    return np.concatenate([store.to_numpy(name) for store in stores])
