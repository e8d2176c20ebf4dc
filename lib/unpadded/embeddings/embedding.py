"""The job behind `unpadded embed`: a corpus through tokenizer and encoder into a folder of embeddings, shard by shard.

Memory holds the texts and one shard's tokens and vectors, whatever the size of the corpus; before the first shard, the index
of words while it is made (`words`). `driver` does the same with the shards spread over many processes.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from unpadded import __version__
from unpadded.common import DISK_IS_FULL, InputError
from unpadded.corpus import Corpus
from unpadded.embeddings.progress import EmbeddingProgress
from unpadded.embeddings.store import Embeddings
from unpadded.embeddings.writer import EmbeddingsWriter, open_writer
from unpadded.encoding import DocumentEncoder, certify, parts_of
from unpadded.tokens import TokenizedCorpus

SHARD_SIZE = 4096  # documents
SAMPLE, SAMPLE_CHARACTERS = 16, 2_000  # documents of the certificate, and how much of each: it runs them one by one


def embed_corpus(
    corpus: Corpus,
    encoder: DocumentEncoder,
    folder: str | os.PathLike,
    *,
    tokens: TokenizedCorpus | None = None,
    pooling: str | Sequence[str] | None = None,
    shard_size: int = SHARD_SIZE,
    progress: bool | None = None,
    certificate: Mapping | None = None,
) -> Embeddings:
    """Embed every document of `corpus` into `folder`, going on where an earlier run of the same job stopped.

    `tokens`: the corpus's documents where they are tokenized already, else each shard is tokenized when its turn comes.
    `pooling` (default: the encoder's): one or several of its names; concat is stored as its parts. `progress`: a bar with
    documents/s, tokens/s and time left; by default on a terminal and in a notebook. `certificate`: the one of another
    folder that this very encoder made, where there is one; else it is made here. The vectors of a document do not depend on
    `shard_size`. Raises `InputError` for a folder with other embeddings or other files, `OSError` for a full disk; in
    either case every finished shard stays.
    """
    facts = facts_of(encoder, stored_parts(encoder.pooling if pooling is None else pooling))
    with open_shards(corpus, folder, facts, shard_size=shard_size) as writer:
        if not writer.finished:
            numericalize = _numericalizer(corpus.texts, tokens, encoder)
            n_documents = sum(end - first for first, end in writer.pending.values())
            with closing(EmbeddingProgress(n_documents, show=progress)) as shown:
                for shard, (first, end) in list(writer.pending.items()):
                    began = time.monotonic()
                    token_ids = numericalize(first, end)
                    vectors = encode_shard(encoder, token_ids, facts.settings["poolings"], tell=shown.update)
                    seconds = time.monotonic() - began
                    writer.write(shard, vectors, tokens=sum(map(len, token_ids)), seconds=seconds)
            writer.finish(certificate=dict(certificate or certificate_of(encoder, certified_sample(corpus.texts))))
    return Embeddings.open(folder)


@dataclass(frozen=True)
class EncoderFacts:
    """What a set of embeddings records of the encoder that made it, all of it JSON values.

    `settings`: what its vectors depend on; `environment`: what their last bits depend on; `about`: the model in words and
    where it lay; `width`: numbers in a vector of one pooling.
    """

    settings: dict
    environment: dict
    about: dict
    width: int


def facts_of(encoder: DocumentEncoder, poolings: Sequence[str]) -> EncoderFacts:
    """The facts of an encoder and the parts of `common.PARTS` that are to be stored."""
    weights = encoder.token_weights if "weighted_mean" in poolings else None
    settings = {
        "model": encoder.lm.fingerprint,
        "poolings": list(poolings),
        "precision": encoder.precision,
        "layers": list(encoder.layers),
        "token_weights": None if weights is None else hashlib.sha256(weights.tobytes()).hexdigest(),
    }
    about = {"model": repr(encoder.lm)}
    if encoder.lm.folder is not None:
        about["model_folder"] = str(encoder.lm.folder)
    width = encoder.encode_tokens([], pooling=poolings)[poolings[0]].shape[1]
    return EncoderFacts(settings, environment_of(encoder), about, width)


def stored_parts(pooling: str | Sequence[str]) -> list[str]:
    """The arrays that are stored for one or several poolings. Raises `InputError` for an unknown name."""
    return list(parts_of([pooling] if isinstance(pooling, str) else list(pooling)))


@contextmanager
def open_shards(
    corpus: Corpus, folder: str | os.PathLike, facts: EncoderFacts, *, shard_size: int = SHARD_SIZE
) -> Iterator[EmbeddingsWriter]:
    """Lock `folder` and yield the writer of its shards; a full disk becomes an `OSError` with a sentence.

    Raises `InputError` for a shard size below 1 and as `writer.open_writer` does.
    """
    if shard_size < 1:
        raise InputError(f"shard_size is {shard_size}: a shard holds at least one document.")
    try:
        with open_writer(
            folder,
            settings={**facts.settings, "corpus": corpus.fingerprint, "shard_size": shard_size},
            environment=facts.environment,
            about={"corpus": corpus.name, **facts.about},
            ids=corpus.ids,
            texts=corpus.texts,
            width=facts.width,
        ) as writer:
            yield writer
    except OSError as error:
        if error.errno not in DISK_IS_FULL:
            raise
        sentence = (
            f"The disk under {folder} is full: make room and run the same command again, no finished shard is lost."
        )
        raise OSError(error.errno, sentence) from error


def encode_shard(
    encoder: DocumentEncoder,
    token_ids: Sequence[np.ndarray],
    poolings: Sequence[str],
    *,
    tell: Callable[[int], None] = lambda tokens: None,
) -> dict[str, np.ndarray]:
    """Vectors of one shard's documents in their order, float32 [n_documents, width] per pooling.

    The longest documents go first, so that at the end no slot waits for one; `tell(tokens)` is called for each that is done.
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


def certified_sample(texts: Sequence[str]) -> list[str]:
    """The beginnings of some documents, spread over the corpus, the same in every run."""
    step = max(len(texts) // SAMPLE, 1)
    return [text[:SAMPLE_CHARACTERS] for text in texts[::step][:SAMPLE]]


def certificate_of(encoder: DocumentEncoder, sample: Sequence[str]) -> dict:
    """What `certify` finds on `sample`, as JSON values."""
    documents = encoder.lm.numericalize(sample, n_workers=1)
    return {"documents": len(sample), **certify(encoder, documents, configurations=4).to_dict()}


def environment_of(encoder: DocumentEncoder) -> dict:
    """What the last bits of the vectors depend on."""
    on_cuda = encoder.device.type == "cuda"
    return {
        "unpadded": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "processor": torch.cuda.get_device_name(encoder.device) if on_cuda else torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
    }
