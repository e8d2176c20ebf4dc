"""What a choice changes for each document: the share of its nearest others that differ between two ways to see them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from unpadded.common import CONCAT, STUDIED, InputError
from unpadded.embeddings import Embeddings
from unpadded.evaluation import tfidf
from unpadded.explore.data import Explorable
from unpadded.studies import batch_pads, neighbours_kept, read_padded, shuffled_batches

NEIGHBOURS = 10
BATCH = 32  # documents of a padded batch
LONGEST, MOST_PADDED = 1_000, 2_000  # tokens of a document, and documents, that are read in padded batches
TAUGHT = "embeddings_tuned"


def pooled(data: Explorable, pooling: str, rows: np.ndarray | None = None) -> np.ndarray:
    """The vectors of one pooling, concat among them, float32 [n, width]: of all documents, or of those at `rows`."""
    parts: Sequence[str] = CONCAT if pooling == "concat" else (pooling,)
    found = [data.vectors[part] if rows is None else data.vectors[part][rows] for part in parts]
    return found[0] if len(found) == 1 else np.concatenate(found, axis=1)


def shares_changed(before, after, *, k: int = NEIGHBOURS) -> np.ndarray:
    """Share of each document's `k` nearest others (by cosine) that `after` does not have among its own, float64 [n].

    `before`, `after`: vectors of the same documents [n, width], dense or sparse, of any two widths. Exact, and in blocks
    of documents, so that memory is bounded. Raises `InputError` where they are not of the same documents, or of fewer than
    two.
    """
    if before.shape[0] != after.shape[0] or before.shape[0] < 2:
        raise InputError(
            f"{before.shape[0]} documents before and {after.shape[0]} after: give the same ones, at least two."
        )
    return 1 - neighbours_kept(before, after, k=k)


def between_poolings(data: Explorable, first: str, second: str) -> pd.DataFrame:
    """What the second pooling changes against the first, a row a document: `changed` and `tokens`."""
    return _table(data, shares_changed(pooled(data, first), pooled(data, second)))


def by_tuning(data: Explorable, pooling: str) -> pd.DataFrame:
    """What teaching the vectors changed, as `between_poolings` gives it. Raises `InputError` for a run that taught none."""
    folder = Path(data.run) / TAUGHT / data.corpus.name
    if not folder.is_dir():
        raise InputError(f"{data.run} holds no taught vectors of {data.corpus.name!r}: run 10_teach_the_vectors.")
    store = Embeddings.open(folder)
    if store.ids != data.corpus.ids:
        raise InputError(f"The taught vectors in {folder} are of other documents: run 10_teach_the_vectors again.")
    taught = np.concatenate([store.to_numpy(part) for part in (CONCAT if pooling == "concat" else (pooling,))], axis=1)
    return _table(data, shares_changed(pooled(data, pooling), taught))


def by_words(data: Explorable, pooling: str) -> pd.DataFrame:
    """How the vectors' neighbours differ from those by words (TF-IDF, fitted on all), as `between_poolings` gives it."""
    words = tfidf(data.corpus.texts, data.corpus.ids, train=np.arange(len(data))).vectors
    return _table(data, shares_changed(words, pooled(data, pooling)))


def by_padding(
    data: Explorable, pooling: str, placement: str, reading: str, *, seed: int = 0, most: int = MOST_PADDED
) -> pd.DataFrame:
    """What padding in shuffled batches of BATCH does, a row a document of the corpus; NaN for those that are not read.

    Columns: changed, tokens, pads (that the document got), place (in its batch, from 1). Read and compared among
    each other are the documents on the maps of 1 to LONGEST tokens, `most` of them. `placement`, `reading`: those of
    `studies`. Raises `InputError` for fewer than two such documents.
    """
    lengths = np.asarray(data.tokens.lengths)
    rows = data.maps["row"].to_numpy()
    rows = np.sort(rows[(lengths[rows] > 0) & (lengths[rows] <= LONGEST)][:most])
    if len(rows) < 2:
        raise InputError(f"{data.corpus.name}: fewer than two documents on the maps have 1 to {LONGEST} tokens.")
    documents = [np.asarray(data.tokens[row]) for row in rows]
    pads, places = batch_pads(lengths[rows], batch_size=BATCH, seed=seed), np.empty(len(rows))
    for batch in shuffled_batches(len(rows), batch_size=BATCH, seed=seed):
        places[batch] = np.arange(1, len(batch) + 1)
    padded = read_padded(data.lm, documents, placement, pads, batch_size=BATCH)[reading][pooling]
    table = pd.DataFrame({"changed": np.nan, "tokens": lengths, "pads": np.nan, "place": np.nan})
    table.loc[rows, "changed"] = shares_changed(pooled(data, pooling, rows), padded)
    table.loc[rows, "pads"], table.loc[rows, "place"] = pads, places
    return table


def reasons(table: pd.DataFrame) -> dict[str, float]:
    """Rank correlation (Spearman) of `changed` with each other column of a table of this module that varies, by name."""
    known = table.dropna(subset=["changed"])
    found = {}
    for name in known.columns.drop("changed"):
        if known[name].nunique() > 1 and known["changed"].nunique() > 1:
            found[name] = float(spearmanr(known["changed"], known[name]).statistic)
    return found


def by_quarter(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """The mean of `changed` in each quarter of the documents by column `name`: columns from, to, documents, changed."""
    known = table.dropna(subset=["changed"])
    quarter = pd.qcut(known[name], 4, labels=False, duplicates="drop")
    parts = known.groupby(quarter)
    bounds = parts[name].agg(["min", "max"]).set_axis(["from", "to"], axis=1)
    return bounds.assign(documents=parts.size(), changed=parts["changed"].mean()).reset_index(drop=True)


def _table(data: Explorable, changed: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"changed": changed, "tokens": np.asarray(data.tokens.lengths)})


Comparison = Callable[[Explorable], pd.DataFrame]


def comparisons(data: Explorable) -> dict[str, Comparison]:
    """Every choice that can be looked at, name -> function of the opened corpus; none is computed yet."""
    found: dict[str, Comparison] = {}
    for first, second in (("mean", "last"), ("mean", "max"), ("mean", "concat"), ("last", "max")):
        found[f"{first} or {second}"] = lambda data, a=first, b=second: between_poolings(data, a, b)
    if (Path(data.run) / TAUGHT / data.corpus.name).is_dir():
        for pooling in STUDIED:
            found[f"{pooling}: before or after teaching"] = lambda data, p=pooling: by_tuning(data, p)
    for pooling in STUDIED:
        found[f"{pooling}: words or vectors"] = lambda data, p=pooling: by_words(data, p)
    ways = (("before", "naive"), ("after xxbos", "length-aware"), ("behind", "naive"))
    for pooling in STUDIED:
        for placement, reading in ways:
            read = "read over all positions" if reading == "naive" else "read by length"
            name = f"{pooling}: exact or pads {placement}{'' if 'xxbos' in placement else ' the text'}, {read}"
            found[name] = lambda data, p=pooling, at=placement, how=reading: by_padding(data, p, at, how)
    return found
