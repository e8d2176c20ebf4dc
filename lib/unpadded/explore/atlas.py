"""A run's documents as a Parquet file that embedding-atlas opens: text, columns, vector, map and neighbours.

    embedding-atlas FILE.parquet --text text --x projection_x --y projection_y --neighbors neighbors

embedding-atlas (Ren, Hohman, Lin and Moritz, 2025) wants the neighbours of a document as two lists of one length for every
row, the numbers of rows, nearest first, and their distances.
"""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.preprocessing import normalize

from unpadded.common import InputError, atomic_write, cosine_scorer, extras_needed, first_documents
from unpadded.corpus import Corpus
from unpadded.embeddings import Embeddings
from unpadded.explore.data import corpora_of, corpus_of
from unpadded.report import umap_coordinates

NEIGHBOURS = 15  # of each document
AS_TRAINED, TAUGHT = "embeddings", "embeddings_tuned"  # folders of a run


def export_atlas(
    run: str | os.PathLike,
    path: str | os.PathLike,
    *,
    corpus: str = "",
    pooling: str = "mean",
    say: Callable[[str], None] = lambda sentence: None,
) -> int:
    """Write the documents of a finished run to the Parquet file `path`; return how many.

    `corpus`: one of those that the run embedded (default: its own). The vectors are the taught model's where the run taught
    one. Columns: id, text, label and split where the corpus has them, projection_x and projection_y (UMAP of cosines),
    neighbors (ids: rows, distances: 1 - cosine), vector. Raises `InputError` where the run or the pooling is not there, the
    documents are not what they were, or fewer than four.
    """
    run, path = Path(run), Path(path)
    if not (run / "run.json").is_file():
        raise InputError(f"{run} holds no finished run: give the folder of one.")
    name = corpus or corpora_of(run)[0]
    if name not in corpora_of(run):
        raise InputError(f"{run} has not embedded {name!r}: give one of {', '.join(corpora_of(run))}.")
    documents = corpus_of(run, name)
    store = _store(run, name, documents)
    if pooling not in store.poolings:
        raise InputError(f"{store.folder} holds no {pooling!r}: give one of {', '.join(store.poolings)}.")
    vectors = store.to_numpy(pooling)
    say(f"making a map of {len(documents):,} documents by {store.folder.parent.name}, {pooling} ...")
    with extras_needed():
        table = atlas_table(documents, vectors, umap_coordinates(vectors)[0])
        with atomic_write(path) as file:
            table.to_parquet(file, index=False)
    return len(table)


def atlas_table(documents: Corpus, vectors: np.ndarray, coordinates: np.ndarray) -> pd.DataFrame:
    """The columns of the file, from `vectors` [n, width] and `coordinates` [n, 2]."""
    found = {"id": documents.ids, "text": documents.texts, "label": documents.labels, "split": documents.split}
    columns = {name: values for name, values in found.items() if values is not None}
    neighbours = nearest(vectors)
    return pd.DataFrame(
        {
            **columns,
            "projection_x": coordinates[:, 0].astype(np.float32),
            "projection_y": coordinates[:, 1].astype(np.float32),
            "neighbors": neighbours,
            "vector": list(np.asarray(vectors, np.float32)),
        }
    )


def nearest(vectors: np.ndarray, k: int = NEIGHBOURS) -> list[dict[str, list]]:
    """For each of `vectors` [n, width] the rows of its `k` nearest others, best first, and their distances (1 - cosine)."""
    unit, n = normalize(vectors), len(vectors)
    rows = first_documents(cosine_scorer(unit, unit), n, n, depth=min(k, n - 1), excluded=np.arange(n)[:, None])
    cosines = (np.einsum("w,kw->k", unit[row], unit[others]) for row, others in enumerate(rows))
    distances = (np.maximum(1 - of_row, 0) for of_row in cosines)  # rounding leaves copies a little below 0
    return [{"ids": ids.tolist(), "distances": found.tolist()} for ids, found in zip(rows, distances, strict=True)]


def _store(run: Path, name: str, documents: Corpus) -> Embeddings:
    folder = next((run / kind / name for kind in (TAUGHT, AS_TRAINED) if (run / kind / name).is_dir()), None)
    if folder is None:
        raise InputError(f"{run} holds no vectors of {name!r}: run 02_extract_embeddings.")
    store = Embeddings.open(folder)
    if store.ids != documents.ids:
        raise InputError(f"The documents of {name!r} are not those that {run} was made from: run it again.")
    return store
