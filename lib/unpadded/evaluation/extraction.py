"""The verb *encode* for a whole run: a corpus through the encoder and every baseline, once, for all evaluations."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from unpadded.common import PARTS, POOLINGS
from unpadded.corpus import Corpus
from unpadded.embeddings import embed_corpus
from unpadded.encoding import DocumentEncoder
from unpadded.evaluation.baselines.baselines import all_baselines
from unpadded.evaluation.reading import tokenized
from unpadded.evaluation.representations import load, row_ids, save, training_documents
from unpadded.evaluation.scores import FitRecord, Representation
from unpadded.tokens import idf_weights


def extract(
    corpus: Corpus, encoder: DocumentEncoder, run: str | os.PathLike, *, trained_on: Sequence[str] = (), seed: int = 0
) -> list[Representation]:
    """Embed a corpus and its queries below `<run>/embeddings`, add the baselines, record all in `<run>/representations`.

    One pass pools last, mean, max and the IDF-weighted mean, whose weights come from the training documents alone, and
    which the queries share. `trained_on`: ids of the documents that the language model was trained on. Returns the
    representations, rows [n_documents + n_queries].
    """
    run, vocab = Path(run), encoder.lm.vocab
    train = training_documents(corpus, seed)
    parts = [corpus, *([_queries(corpus)] if corpus.queries else [])]
    tokens = [tokenized(part, encoder.lm.tokenizer).with_vocab(vocab) for part in parts]
    encoder = encoder.weighted(idf_weights([tokens[0][i] for i in train], len(vocab)))
    stores = [run / "embeddings" / part.name for part in parts]
    for part, numbers, store in zip(parts, tokens, stores, strict=True):
        embed_corpus(part, encoder, store, tokens=numbers, pooling=PARTS)
    learned = FitRecord("language model", frozenset(trained_on))
    weighed = FitRecord("idf weights", frozenset(corpus.ids[i] for i in train))
    baselines = all_baselines(
        [text for part in parts for text in part.texts],
        row_ids(corpus),
        train=train,
        token_ids=[numbers[i] for numbers in tokens for i in range(len(numbers))],
        table=encoder.lm.awd_lstm.encoder.weight.detach().cpu().float().numpy(),
        learned=learned,
        seed=seed,
    )
    folder = run / "representations" / corpus.name
    save(baselines, folder, stored=_of_model(learned, weighed), stores=stores, ids=row_ids(corpus))
    return load(folder)


def _of_model(learned: FitRecord, weighed: FitRecord) -> list[Representation]:
    """What the stores hold, without the vectors."""
    nothing = np.empty((0, 0), np.float32)
    plain = [Representation("lm", pooling, "none", nothing, (learned,)) for pooling in POOLINGS]
    return [*plain, Representation("lm", "mean", "idf", nothing, (learned, weighed))]


def _queries(corpus: Corpus) -> Corpus:
    return Corpus(name=f"{corpus.name}-queries", ids=list(corpus.queries), texts=list(corpus.queries.values()))
