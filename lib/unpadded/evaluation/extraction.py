"""The verb *encode* for a whole run: a corpus through an encoder and every baseline, once, for all evaluations."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from unpadded.common import PARTS, POOLINGS
from unpadded.corpus import Corpus
from unpadded.embeddings import embed_corpus
from unpadded.encoding import DocumentEncoder
from unpadded.evaluation.baselines.baselines import all_baselines
from unpadded.evaluation.choice.pieces import Pieces, pieces_of, tuning_documents
from unpadded.evaluation.classification import training_documents
from unpadded.evaluation.reading import tokenized
from unpadded.evaluation.representations import TUNED, load, row_ids, save
from unpadded.evaluation.scores import FitRecord, Representation
from unpadded.tokens import TokenizedCorpus, idf_weights, mark_ids


def extract(
    corpus: Corpus,
    encoder: DocumentEncoder,
    run: str | os.PathLike,
    *,
    trained_on: Sequence[str] = (),
    baselines: str = "",
    seed: int = 0,
) -> list[Representation]:
    """Embed a corpus, its queries and its pieces, add the baselines, record all of it below the folder `run`.

    The vectors lie in `<run>/embeddings`, the baselines and the record in `<run>/representations`. One pass pools last, mean,
    max and the IDF-weighted mean, whose weights come from the training documents alone, and which queries and pieces share.
    Baselines are fitted on the documents that tuning may read: an analysis that holds a document finds its pieces too easily.
    `trained_on`: ids of the documents that the language model was trained on. `baselines`: names, comma separated (empty:
    all). Returns the representations, rows [n_documents + n_queries + n_pieces].
    """
    run = Path(run)
    folder, learned = run / "representations" / corpus.name, FitRecord("language model", frozenset(trained_on))
    pieces = pieces_of(corpus, seed=seed)
    parts, tokens = _parts(corpus, encoder, pieces)
    stored, stores = _embed("lm", parts, tokens, encoder, run / "embeddings", learned, seed)
    made = all_baselines(
        [text for part in parts for text in part.texts],
        row_ids(corpus),
        train=tuning_documents(corpus, seed)[0],  # the others are asked about
        token_ids=[numbers[i] for numbers in tokens for i in range(len(numbers))],
        table=encoder.lm.awd_lstm.encoder.weight.detach().cpu().float().numpy(),
        marks=mark_ids(encoder.lm.vocab),
        learned=learned,
        pieces=pieces,
        names=baselines,
        seed=seed,
    )
    save(made, folder, stored=stored, stores=stores, ids=row_ids(corpus))
    return load(folder)


def extract_tuned(
    corpus: Corpus, encoder: DocumentEncoder, run: str | os.PathLike, *, trained_on: Sequence[str] = (), seed: int = 0
) -> list[Representation]:
    """The same with the tuned model, without baselines: below `<run>/embeddings_tuned` and `<run>/representations_tuned`."""
    run = Path(run)
    folder, learned = run / TUNED / corpus.name, FitRecord("language model", frozenset(trained_on))
    parts, tokens = _parts(corpus, encoder, pieces_of(corpus, seed=seed))
    stored, stores = _embed("lm_tuned", parts, tokens, encoder, run / "embeddings_tuned", learned, seed)
    save([], folder, stored=stored, stores=stores, ids=row_ids(corpus))
    return load(folder)


def _parts(corpus: Corpus, encoder: DocumentEncoder, pieces: Pieces) -> tuple[list[Corpus], list[TokenizedCorpus]]:
    """Documents, and where there are any queries and pieces, each a corpus; and their tokens."""
    queries = corpus.queries or {}
    beside = {
        "queries": (list(queries), list(queries.values())),
        "pieces": (list(map(str, range(len(pieces.texts)))), pieces.texts),
    }
    parts = [corpus, *(Corpus(f"{corpus.name}-{name}", *part) for name, part in beside.items() if part[0])]
    return parts, [tokenized(part, encoder.lm.tokenizer).with_vocab(encoder.lm.vocab) for part in parts]


def _embed(
    method: str,
    parts: Sequence[Corpus],
    tokens: Sequence[TokenizedCorpus],
    encoder: DocumentEncoder,
    folder: Path,
    learned: FitRecord,
    seed: int,
) -> tuple[list[Representation], list[Path]]:
    """Embed every part below `folder`; the representations that lie there then, without vectors, and their folders."""
    corpus = parts[0]
    train = training_documents(corpus, seed)
    vocab = encoder.lm.vocab
    encoder = encoder.weighted(idf_weights([tokens[0][i] for i in train], len(vocab), marks=mark_ids(vocab)))
    stores = [folder / part.name for part in parts]
    certificate = None  # queries and pieces share that of the documents
    for part, numbers, store in zip(parts, tokens, stores, strict=True):
        made = embed_corpus(part, encoder, store, tokens=numbers, pooling=PARTS, certificate=certificate)
        certificate = made.manifest["certificate"]
    nothing = np.empty((0, 0), np.float32)
    weighed = FitRecord("idf weights", frozenset(corpus.ids[i] for i in train))
    plain = [Representation(method, pooling, "none", nothing, (learned,)) for pooling in POOLINGS]
    return [*plain, Representation(method, "mean", "idf", nothing, (learned, weighed))], stores
