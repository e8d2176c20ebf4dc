"""The job behind `unpadded embed`: a corpus through tokenizer and encoder into a folder of embeddings, shard by shard.

Memory holds the texts and one shard's tokens and vectors, whatever the size of the corpus.
"""

import errno
import hashlib
import os
import time
from collections.abc import Callable, Sequence
from contextlib import closing

import numpy as np
import torch

from . import __version__
from .certification import certify
from .corpus import Corpus
from .embedding_progress import EmbeddingProgress
from .encoder import DocumentEncoder
from .errors import InputError
from .pooling import parts_of
from .store import Embeddings
from .store_writer import EmbeddingsWriter, open_writer
from .tokens import TokenizedCorpus

SHARD_SIZE = 4096  # documents
SAMPLE, SAMPLE_CHARACTERS = 16, 2_000  # documents of the certificate, and how much of each: it runs them one by one
DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def embed_corpus(
    corpus: Corpus,
    encoder: DocumentEncoder,
    folder: str | os.PathLike,
    *,
    tokens: TokenizedCorpus | None = None,
    pooling: str | Sequence[str] | None = None,
    shard_size: int = SHARD_SIZE,
    progress: bool | None = None,
) -> Embeddings:
    """Embed every document of `corpus` into `folder`, going on where an earlier run of the same job stopped.

    `tokens`: the corpus's documents where they are tokenized already, else each shard is tokenized when its turn comes.
    `pooling` (default: the encoder's): one or several of its names; concat is stored as its parts. `progress`: a bar with
    documents/s, tokens/s and time left; by default where someone watches. The vectors of a document do not depend on
    `shard_size`. Raises `InputError` for a folder with other embeddings or other files, `OSError` for a full disk; in
    either case every finished shard stays.
    """
    pooling = encoder.pooling if pooling is None else pooling
    poolings = list(parts_of([pooling] if isinstance(pooling, str) else list(pooling)))
    if shard_size < 1:
        raise InputError(f"shard_size is {shard_size}: a shard holds at least one document.")
    try:
        with open_writer(
            folder,
            settings=_settings(corpus, encoder, poolings, shard_size),
            environment=_environment(encoder),
            about={"corpus": corpus.name, "model": repr(encoder.lm)},
            ids=corpus.ids,
            width=encoder.encode_tokens([], pooling=poolings)[poolings[0]].shape[1],
        ) as writer:
            if not writer.finished:
                _write_shards(writer, _numericalizer(corpus.texts, tokens, encoder), encoder, progress)
                writer.finish(certificate=_certificate(encoder, corpus.texts))
    except OSError as error:
        if error.errno not in DISK_IS_FULL:
            raise
        sentence = (
            f"The disk under {folder} is full: make room and run the same command again, no finished shard is lost."
        )
        raise OSError(error.errno, sentence) from error
    return Embeddings.open(folder)


def encode_shard(
    encoder: DocumentEncoder,
    token_ids: Sequence[np.ndarray],
    poolings: Sequence[str],
    *,
    tell: Callable[[int], None] = lambda tokens: None,
) -> dict[str, np.ndarray]:
    """Vectors of one shard's documents in their order, float32 [n_documents, width] per pooling.

    The longest documents go first, so that at the end no slot waits for one; `tell(tokens)` hears of each that is done.
    """
    order = np.argsort([-len(ids) for ids in token_ids], kind="stable")
    empty = encoder.encode_tokens([], pooling=poolings)  # [0, width] each
    vectors = {p: np.empty((len(token_ids), rows.shape[1]), np.float32) for p, rows in empty.items()}
    for position, pooled in encoder.stream_tokens((token_ids[i] for i in order), pooling=poolings):
        for pooling, rows in vectors.items():
            rows[order[position]] = pooled[pooling]
        tell(len(token_ids[order[position]]))
    return vectors


def _numericalizer(
    texts: Sequence[str], tokens: TokenizedCorpus | None, encoder: DocumentEncoder
) -> Callable[[int, int], Sequence[np.ndarray]]:
    """A function (first, end) -> token ids of the documents of that range."""
    if tokens is None:
        # One process: workers beside the encoder's threads gained nothing.
        return lambda first, end: encoder.lm.numericalize(texts[first:end], n_workers=1)
    if len(tokens) != len(texts):
        raise InputError(f"tokens: {len(tokens)} tokenized documents for a corpus of {len(texts)}; tokenize it again.")
    numbered = tokens.with_vocab(encoder.lm.vocab)
    return lambda first, end: [numbered[i] for i in range(first, end)]


def _write_shards(
    writer: EmbeddingsWriter,
    numericalize: Callable[[int, int], Sequence[np.ndarray]],
    encoder: DocumentEncoder,
    show: bool | None,
) -> None:
    """Compute and write the shards that are still to be done."""
    poolings = writer.manifest["settings"]["poolings"]
    progress = EmbeddingProgress(sum(end - first for first, end in writer.pending.values()), show=show)
    with closing(progress):
        for shard, (first, end) in list(writer.pending.items()):
            began = time.monotonic()
            token_ids = numericalize(first, end)
            vectors = encode_shard(encoder, token_ids, poolings, tell=progress.update)
            seconds = time.monotonic() - began
            writer.write(shard, vectors, tokens=sum(map(len, token_ids)), seconds=seconds)


def _certificate(encoder: DocumentEncoder, texts: Sequence[str]) -> dict:
    """What `certify` finds on a fixed sample of the corpus, the same in every run."""
    step = max(len(texts) // SAMPLE, 1)
    sample = [text[:SAMPLE_CHARACTERS] for text in texts[::step][:SAMPLE]]
    documents = encoder.lm.numericalize(sample, n_workers=1)
    return {"documents": len(sample), **certify(encoder, documents, slots=(3, None), chunk_lengths=(7, None)).to_dict()}


def _settings(corpus: Corpus, encoder: DocumentEncoder, poolings: list[str], shard_size: int) -> dict:
    """What the vectors depend on; a folder never holds two of these."""
    weights = encoder.token_weights if "weighted_mean" in poolings else None
    return {
        "model": encoder.lm.fingerprint,
        "corpus": corpus.fingerprint,
        "poolings": poolings,
        "precision": encoder.precision,
        "layers": list(encoder.layers),
        "token_weights": None if weights is None else hashlib.sha256(weights.tobytes()).hexdigest(),
        "shard_size": shard_size,
    }


def _environment(encoder: DocumentEncoder) -> dict:
    """What the last bits of the vectors depend on."""
    device = encoder.device
    return {
        "unpadded": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "processor": torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
    }
