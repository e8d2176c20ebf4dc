"""A whole run of a tiny corpus, made in this process without kernels: what the pages and the explorer find on disk."""

import os
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd

from unpadded.common.files import write_json
from unpadded.common.names import CONCAT, STUDIED
from unpadded.corpus.corpus import Corpus
from unpadded.embeddings.embedding import embed_corpus
from unpadded.encoding.encoder import DocumentEncoder
from unpadded.evaluation.scores import Representation, score_row, to_frame, write_scores
from unpadded.evaluation.statistics import Interval
from unpadded.model.language_model import LanguageModel
from unpadded.report.figures import keep
from unpadded.report.maps.picture import umap_maps
from unpadded.report.maps.tables import map_path, map_table, save_map
from unpadded.report.plots.scores import score_bars
from unpadded.runs.profiles import EXTRACT
from unpadded.runs.run import NOTEBOOKS
from unpadded.tokens.tokenized import tokenize


def make_run(folder: Path, documents: Corpus, lm: LanguageModel) -> Path:
    """Write a finished run about the documents to `folder`; return it."""
    table = pd.DataFrame({"id": documents.ids, "text": documents.texts, "label": documents.labels})
    table = table.assign(**other_columns(len(documents)))
    folder.mkdir(parents=True)
    source = folder.parent / "tiny.csv"
    table.to_csv(source, index=False)
    corpus = Corpus.load(source)
    lm.save(folder / "language_model")
    tokens = tokenize(corpus.texts)
    store = embed_corpus(
        corpus, DocumentEncoder(lm), folder / "embeddings" / corpus.name, tokens=tokens, pooling=CONCAT
    )
    rows = range(0, len(corpus), 2)
    maps = {pooling: _spread(store.to_numpy(pooling)[rows]) for pooling in STUDIED}
    save_map(map_table(corpus, rows, maps, lengths=tokens.lengths), map_path(folder, corpus.name))
    write_json(folder / "run.json", _summary(corpus, source))
    scores = _scores(corpus)
    write_scores(scores, folder / "scores.csv")
    pictures = [
        keep(umap_maps(maps, [corpus.labels[i] for i in rows]), folder, "02 maps of the documents"),
        keep(score_bars(scores, "v_measure"), folder, f"06 clustering {corpus.name}"),
    ]
    for name, picture in zip((EXTRACT, "06_clustering"), pictures, strict=True):
        nbformat.write(_executed(name, picture, scores), folder / f"{name}.ipynb")
    return folder


def other_columns(n: int) -> dict[str, list]:
    """A number, a date and a category of `n` documents, each missing now and then."""
    days = pd.date_range("2024-01-01", periods=n).strftime("%Y-%m-%d")
    return {
        "stars": [None if i % 10 == 8 else i % 50 / 10 for i in range(n)],
        "day": [None if i % 9 == 8 else days[i] for i in range(n)],
        "shop": [("east", "west", None)[i % 4 % 3] for i in range(n)],
    }


def _spread(vectors: np.ndarray) -> np.ndarray:
    """A map without UMAP, which would take the tests' time: the two numbers that vary most, about as wide as its maps."""
    return 100 * vectors[:, np.argsort(vectors.var(axis=0))[-2:]]


def _summary(corpus: Corpus, source: Path) -> dict:
    path = os.path.relpath(source, NOTEBOOKS)
    return {
        "version": "0", "profile": "smoke", "corpus": corpus.name, "documents": len(corpus), "notes": ["a note & more"],
        "stages": {EXTRACT: {"seconds": 1.0, "parameters": {"corpus": path}}},
    }  # fmt: skip


def _scores(corpus: Corpus) -> pd.DataFrame:
    options = {"corpus": corpus.name, "task": "clustering", "metric": "v_measure", "n": 9, "seed": 0, "seconds": 1.0}
    values = {"last": 0.1, "mean": 0.6, "max": 0.3, "concat": 0.4}
    rows = [
        score_row(Representation("lm", pooling, "none", None), Interval(v, v - 0.05, v + 0.02), **options)
        for pooling, v in values.items()
    ]
    return to_frame(rows)


def _executed(name: str, picture, scores: pd.DataFrame) -> nbformat.NotebookNode:
    """A notebook as papermill leaves it: prose, code, a table, printed lines, a picture and a progress bar."""
    data, metadata = picture._repr_mimebundle_()
    outputs = [
        nbformat.v4.new_output("stream", name="stdout", text="printed < lines\n" + "x" * 300),
        nbformat.v4.new_output("display_data", data={"text/html": scores.to_html(), "text/plain": "a table"}),
        nbformat.v4.new_output("execute_result", data=data, metadata=metadata, execution_count=1),
    ]
    cells = [
        nbformat.v4.new_markdown_cell(f"# What does {name} find?"),
        nbformat.v4.new_markdown_cell("**Answer.** The *mean*, by far."),
        nbformat.v4.new_code_cell("x = 'a string'  # a comment " + "y" * 200, outputs=outputs, execution_count=1),
    ]
    return nbformat.v4.new_notebook(cells=cells)
