"""Every vector of a corpus's documents that the evaluations compare, computed once and kept in a folder."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import sparse

from .baselines import all_baselines
from .classification import split_documents
from .corpus import Corpus
from .datasets import data_folder
from .embedding_run import embed_corpus
from .encoder import DocumentEncoder
from .errors import InputError
from .files import atomic_write, read_json, write_json
from .scores import FitRecord, Representation
from .store import Embeddings
from .tokens import TokenizedCorpus, TokenizerSettings, tokenize

POOLINGS = ("last", "mean", "max")


def training_documents(corpus: Corpus, seed: int = 0) -> np.ndarray:
    """Positions of the documents that anything may be fitted on, int64 [n]: never those that classification tests on.

    The corpus's own training split, or else the seeded draw that classification makes; without topics, all documents.
    """
    return split_documents(corpus.labels, corpus.split, n=len(corpus), seed=seed)[0]


def tokenized(corpus: Corpus, settings: TokenizerSettings | None = None) -> TokenizedCorpus:
    """The corpus's tokens, from the cache in the data folder when they were made before."""
    return tokenize(corpus.texts, settings, cache=data_folder() / "tokens")


def extract(corpus: Corpus, encoder: DocumentEncoder, folder: str | os.PathLike) -> Embeddings:
    """Embed a corpus and its queries below `folder` (last, mean, max; concat is their join); return the documents' set."""
    folder, settings = Path(folder), encoder.lm.tokenizer
    if corpus.queries:
        queries = _queries(corpus)
        embed_corpus(queries, encoder, folder / queries.name, tokens=tokenized(queries, settings), pooling=POOLINGS)
    tokens = tokenized(corpus, settings)
    return embed_corpus(corpus, encoder, folder / corpus.name, tokens=tokens, pooling=POOLINGS)


def represent(
    corpus: Corpus,
    encoder: DocumentEncoder,
    embeddings: str | os.PathLike,
    *,
    trained_on: Sequence[str] = (),
    seed: int = 0,
) -> list[Representation]:
    """The model's vectors (each pooling) and every baseline's, for documents and then queries: rows [n + n_queries].

    `embeddings` is the folder given to `extract`; `trained_on` the ids of the documents that the model was trained on.
    """
    ids = corpus.ids + [f"query {name}" for name in corpus.queries or {}]
    train = training_documents(corpus, seed)
    texts, tokens = list(corpus.texts), list(tokenized(corpus, encoder.lm.tokenizer).with_vocab(encoder.lm.vocab))
    if corpus.queries:
        texts += corpus.queries.values()
        tokens += tokenized(_queries(corpus), encoder.lm.tokenizer).with_vocab(encoder.lm.vocab)
    table = encoder.lm.awd_lstm.encoder.weight.detach().cpu().float().numpy()
    record = FitRecord("language model", frozenset(trained_on))
    return _from_model(corpus, embeddings, record) + [
        _with_record(representation, record) if "embeddings" in representation.method else representation
        for representation in all_baselines(texts, ids, train=train, token_ids=tokens, table=table, seed=seed)
    ]


def save(representations: Sequence[Representation], folder: str | os.PathLike) -> None:
    """Write representations to `folder`: a .npy or .npz file each and, last, `index.json`; every file atomically."""
    folder = Path(folder)
    entries = []
    for number, representation in enumerate(representations):
        is_sparse = sparse.issparse(representation.vectors)
        name = f"{number:02d}_{representation.name.replace(' ', '_')}.{'npz' if is_sparse else 'npy'}"
        with atomic_write(folder / name) as file:
            if is_sparse:
                sparse.save_npz(file, sparse.csr_matrix(representation.vectors))
            else:
                np.save(file, representation.vectors, allow_pickle=False)
        entries.append(
            {
                "file": name,
                "method": representation.method,
                "pooling": representation.pooling,
                "postprocess": representation.postprocess,
                "fitted": [{"fitted": record.fitted, "ids": sorted(record.ids)} for record in representation.fitted],
            }
        )
    write_json(folder / "index.json", entries)


def load(folder: str | os.PathLike) -> list[Representation]:
    """Read what `save` wrote, dense arrays memory-mapped. Raises `InputError` for a folder that is not whole."""
    folder = Path(folder)
    try:
        return [
            Representation(
                entry["method"],
                entry["pooling"],
                entry["postprocess"],
                _load_vectors(folder / entry["file"]),
                tuple(FitRecord(record["fitted"], frozenset(record["ids"])) for record in entry["fitted"]),
            )
            for entry in read_json(folder / "index.json")
        ]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{folder} holds no whole set of representations ({error}): run 02_extract_embeddings."
        ) from error


def documents_and_queries(
    representations: Sequence[Representation], n_documents: int
) -> tuple[list[Representation], list[Representation]]:
    """Cut each representation into the rows of the documents and the rows of the queries behind them."""

    def part(rows: slice) -> list[Representation]:
        return [r.with_vectors(r.vectors[rows], postprocess=r.postprocess) for r in representations]

    return part(slice(0, n_documents)), part(slice(n_documents, None))


def _from_model(corpus: Corpus, folder: str | os.PathLike, record: FitRecord) -> list[Representation]:
    names = [corpus.name] + [f"{corpus.name}-queries"] * bool(corpus.queries)
    stores = [Embeddings.open(Path(folder) / name) for name in names]
    arrays = {p: np.concatenate([store.to_numpy(p) for store in stores]) for p in (*POOLINGS, "concat")}
    return [Representation("lm", pooling, "none", array, (record,)) for pooling, array in arrays.items()]


def _with_record(representation: Representation, record: FitRecord) -> Representation:
    return representation.with_vectors(representation.vectors, postprocess=representation.postprocess, record=record)


def _queries(corpus: Corpus) -> Corpus:
    return Corpus(name=f"{corpus.name}-queries", ids=list(corpus.queries), texts=list(corpus.queries.values()))


def _load_vectors(path: Path):
    return sparse.load_npz(path) if path.suffix == ".npz" else np.load(path, mmap_mode="r")
