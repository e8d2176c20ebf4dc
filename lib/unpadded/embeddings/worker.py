"""What runs inside a worker process: one loaded model, and the vectors of the shards that come along.

Everything that travels between processes is small or an array: a recipe of the encoder, texts one way, vectors the other.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from unpadded.common import InputError
from unpadded.embeddings.embedding import EncoderFacts, certificate_of, encode_shard, environment_of, facts_of
from unpadded.encoding import DocumentEncoder
from unpadded.model import LanguageModel

_loaded: dict[tuple["EncoderRecipe", str], DocumentEncoder] = {}  # the one encoder of this process
_one_at_a_time = threading.Lock()  # an encoder runs one stream at a time, however many threads Dask gives its process


@dataclass(frozen=True)
class EncoderRecipe:
    """How to make an encoder in any process that sees the folder `model`.

    `threads` is the number of torch's threads while it runs; the other fields are `DocumentEncoder`'s options.
    """

    model: str
    precision: str = "float32"
    layer: int | str = -1
    slots: int | None = None
    device: str = "cpu"
    threads: int = 1

    def build(self) -> DocumentEncoder:
        """Load the model and make the encoder; sets torch's number of threads in the calling thread.

        Raises `InputError` for a folder without a model, a device that is not there and options that do not fit.
        """
        torch.set_num_threads(self.threads)
        check_device(self.device, self.precision)
        lm = LanguageModel.load(self.model)
        return DocumentEncoder(lm, precision=self.precision, layer=self.layer, slots=self.slots, device=self.device)


@dataclass(frozen=True)
class EncodedShard:
    """What a worker hands back: `vectors`, float32 [n_documents, width] per pooling, and what they took."""

    vectors: dict[str, np.ndarray]
    tokens: int
    seconds: float


def check_device(device: str, precision: str = "float32") -> None:
    """Raises `InputError` for a device that torch does not know or does not find, or that has no such precision."""
    try:
        kind = torch.device(device).type
    except RuntimeError:
        raise InputError(f"The device {device!r} is not known: give cpu, cuda or cuda:0.") from None
    if kind not in ("cpu", "cuda"):
        raise InputError(f"The device {device!r} is not supported: give cpu, cuda or cuda:0.")
    if kind == "cuda" and (torch.device(device).index or 0) >= torch.cuda.device_count():
        raise InputError(f"The device {device!r} is not there: torch finds {torch.cuda.device_count()} CUDA devices.")
    if precision == "float16" and kind != "cuda":
        raise InputError("Precision float16 needs a CUDA device: add --device cuda or take bfloat16.")


def describe(recipe: EncoderRecipe, poolings: Sequence[str]) -> EncoderFacts:
    """What embeddings record of the encoder; leaves it loaded in this process. Raises `InputError` as `build` does."""
    with _one_at_a_time:
        encoder = _built(recipe)
        facts = facts_of(encoder, poolings)
        _keep(recipe, facts.settings["model"], encoder)
        return facts


def encode_texts(recipe: EncoderRecipe, facts: EncoderFacts, texts: Sequence[str]) -> EncodedShard:
    """Tokenize and encode the documents of one shard.

    Raises `InputError` where this process sees another model or computes other last bits than `facts` say.
    """
    with _one_at_a_time:
        encoder = _encoder(recipe, facts)
        began = time.monotonic()
        token_ids = encoder.lm.numericalize(texts, n_workers=1)
        vectors = encode_shard(encoder, token_ids, facts.settings["poolings"])
        return EncodedShard(vectors, sum(map(len, token_ids)), time.monotonic() - began)


def certify_texts(recipe: EncoderRecipe, facts: EncoderFacts, sample: Sequence[str]) -> dict:
    """The certificate on `sample`; raises as `encode_texts`."""
    with _one_at_a_time:
        return certificate_of(_encoder(recipe, facts), sample)


def _encoder(recipe: EncoderRecipe, facts: EncoderFacts) -> DocumentEncoder:
    """The encoder of this process, loaded when it is first needed."""
    fingerprint = facts.settings["model"]
    if (recipe, fingerprint) not in _loaded:
        encoder = _built(recipe)
        found = encoder.lm.fingerprint
        if found != fingerprint:
            raise InputError(
                f"{_who()} finds another model in {recipe.model} ({found[:12]}..., not {fingerprint[:12]}...): "
                "let every worker see the same folder."
            )
        _keep(recipe, fingerprint, encoder)
    encoder = _loaded[recipe, fingerprint]
    torch.set_num_threads(recipe.threads)  # torch keeps the number per thread, and Dask runs tasks in several
    _refuse_other_environment(environment_of(encoder), facts.environment)
    return encoder


def _built(recipe: EncoderRecipe) -> DocumentEncoder:
    try:
        return recipe.build()
    except InputError as error:
        raise InputError(f"{_who()} cannot make the encoder: {error}") from error


def _keep(recipe: EncoderRecipe, fingerprint: str, encoder: DocumentEncoder) -> None:
    _loaded.clear()  # a process that serves one job after the other holds one model
    _loaded[recipe, fingerprint] = encoder


def _refuse_other_environment(here: dict, expected: dict) -> None:
    for name, value in expected.items():
        if here.get(name) != value:
            raise InputError(
                f"{_who()} has {name} {here.get(name)}, the first worker had {value}, and the last bits of their vectors "
                f"can differ: give the cluster workers of one {name}."
            )


def _who() -> str:
    """This worker in a sentence."""
    from distributed import get_worker

    try:
        return f"The worker {get_worker().address}"
    except ValueError:
        return "This process"
