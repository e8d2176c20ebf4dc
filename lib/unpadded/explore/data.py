"""What can be explored: finished runs, their corpora, and one of them opened."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from unpadded.common import CONCAT, POOLINGS, InputError, comma_list, read_json
from unpadded.corpus import Corpus, load_also, load_corpus, source_columns
from unpadded.embeddings import MANIFEST, Embeddings
from unpadded.encoding import DocumentEncoder
from unpadded.evaluation import tokenized
from unpadded.model import LanguageModel
from unpadded.report import load_map, map_path, map_table, sample_documents, umap_coordinates
from unpadded.runs import EXTRACT, NOTEBOOKS
from unpadded.tokens import TokenizedCorpus, count_matrix, document_frequencies

FALLBACK_DOCUMENTS = 2000  # on maps that have to be made here, because the run left none


def explorable_runs(outputs: str | os.PathLike) -> list[Path]:
    """The folders below `outputs` that hold a finished run with its model and vectors, the largest corpus first."""
    found = [path.parent for path in Path(outputs).glob("*/run.json") if _is_explorable(path.parent)]
    return sorted(found, key=lambda folder: (-read_json(folder / "run.json")["documents"], folder.name))


def _is_explorable(folder: Path) -> bool:
    # A fresh clone has the reference run's pages and tables, but neither its weights nor its vectors.
    return (folder / "language_model" / "weights.safetensors").exists() and bool(corpora_of(folder))


def corpora_of(run: str | os.PathLike) -> list[str]:
    """The names of the corpora that a run embedded, its own first; sets of queries and of pieces are left out."""
    names = sorted(path.parent.name for path in (Path(run) / "embeddings").glob(f"*/{MANIFEST}"))
    beside = {f"{name}{end}" for name in names for end in ("-queries", "-pieces")}
    names = [name for name in names if name not in beside]
    own = read_json(Path(run) / "run.json").get("corpus")
    return sorted(names, key=lambda name: (name != own, name))


@dataclass
class Explorable:
    """One corpus of one run, opened: documents, tokens, vectors, model and maps."""

    run: Path  # the run's folder
    corpus: Corpus
    tokens: TokenizedCorpus
    lm: LanguageModel
    encoder: DocumentEncoder
    vectors: dict[str, np.ndarray]  # last, mean, max: float32 [n_documents, width]
    maps: pd.DataFrame  # map_tables.map_table's
    columns: pd.DataFrame  # what the corpus's file says of each document beside: float64, datetime64 or strings

    @classmethod
    def open(cls, run: str | os.PathLike, name: str = "") -> Explorable:
        """Open the corpus `name` (default: the run's own) of a run's folder.

        Raises `InputError` where the run is not finished, or its documents are not what they were.
        """
        run = Path(run)
        if not (run / "run.json").exists():
            raise InputError(f"{run} holds no finished run: make one with 'unpadded run --output {run}'.")
        name = name or corpora_of(run)[0]
        corpus = corpus_of(run, name)
        lm = LanguageModel.load(run / "language_model")
        store = Embeddings.open(run / "embeddings" / name)
        if store.ids != corpus.ids:
            raise InputError(f"The documents of {name!r} are not those that {run} was made from: run it again.")
        vectors = {pooling: np.array(store[pooling]) for pooling in CONCAT}
        tokens = tokenized(corpus, lm.tokenizer).with_vocab(lm.vocab)
        maps = _maps(run, name, corpus, tokens, store)
        columns = columns_of(run, name, corpus)
        return cls(run, corpus, tokens, lm, DocumentEncoder(lm, pooling="concat"), vectors, maps, columns)

    def __len__(self) -> int:
        return len(self.corpus)

    @cached_property
    def document_frequencies(self) -> np.ndarray:
        """In how many documents each token of the vocabulary occurs, int64 [n_tokens]."""
        return document_frequencies(count_matrix(self.tokens, len(self.lm.vocab)))


def corpus_of(run: Path, name: str) -> Corpus:
    """The corpus `name` of a run, as its extraction loaded it; raises `InputError` where it cannot be found any more."""
    summary, asked = _asked(run)
    if name != summary["corpus"]:
        found = [corpus for corpus in load_also(asked.get("also", ""), root=NOTEBOOKS) if corpus.name == name]
        if not found:
            raise InputError(f"The run {run} no longer knows where its corpus {name!r} came from: run it again.")
        return found[0]
    columns = {key: asked[key] for key in ("text", "label", "id", "n_documents", "seed", "reading") if key in asked}
    return load_corpus(_source(asked["corpus"]), **columns)


def columns_of(run: Path, name: str, corpus: Corpus) -> pd.DataFrame:
    """What the source of a run's corpus says of each document beside its text, label and id; rows are the documents.

    The part comes first, under "split", where the corpus has one.
    """
    summary, asked = _asked(run)
    if name == summary["corpus"]:
        found = source_columns(
            _source(asked["corpus"]), **{k: asked[k] for k in ("text", "label", "id", "reading") if k in asked}
        )
    else:
        sources = [Path(_source(source)) for source in comma_list(asked.get("also", ""))]
        found = next((source_columns(path) for path in sources if path.exists() and path.stem == name), pd.DataFrame())
    table = found.reindex(corpus.ids).reset_index(drop=True) if len(found) else pd.DataFrame(index=range(len(corpus)))
    if corpus.split is not None and "split" not in table:
        table.insert(0, "split", corpus.split)
    return table


def _asked(run: Path) -> tuple[dict, dict]:
    """A run's record, and the parameters of its extraction."""
    summary = read_json(run / "run.json")
    return summary, summary["stages"][EXTRACT]["parameters"]


def _source(given: str) -> str:
    """A corpus as a run's record names it: a path is relative to the folder of the notebooks, where its kernels ran."""
    beside = NOTEBOOKS / given
    return str(beside.resolve()) if beside.exists() else given


def _maps(run: Path, name: str, corpus: Corpus, tokens: TokenizedCorpus, store: Embeddings) -> pd.DataFrame:
    """The maps that the run left; made now, of a sample, where it left none."""
    path = map_path(run, name)
    if path.exists():
        return load_map(path)
    rows = sample_documents(len(corpus), n_sample=FALLBACK_DOCUMENTS)
    maps = {pooling: umap_coordinates(store.to_numpy(pooling)[rows])[0] for pooling in POOLINGS}
    return map_table(corpus, rows, maps, lengths=tokens.lengths)
