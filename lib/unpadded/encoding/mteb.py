"""mteb's encoder protocol over a language model of ours, so that any of its text tasks runs on one (extra `mteb`).

    import mteb
    from unpadded.encoding import UnpaddedEncoder

    encoder = UnpaddedEncoder("outputs/quick/language_model", pooling="mean")
    results = mteb.evaluate(encoder, mteb.get_tasks(tasks=["SciFact", "TwentyNewsgroupsClustering.v2"]))

mteb fetches its datasets from a hub; nothing else here needs a network.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from mteb.models import ModelMeta
from mteb.models.abs_encoder import AbsEncoder

from unpadded.common import InputError
from unpadded.encoding.encoder import DocumentEncoder
from unpadded.model import LanguageModel


class UnpaddedEncoder(AbsEncoder):
    """An encoder as mteb 2 wants one (`mteb.models.EncoderProtocol`); similarity is the cosine.

    `model_name`: a `LanguageModel` or the folder of one; `revision`: its fingerprint, checked when given. `pooling`,
    `precision`, `token_weights`, `device` are `DocumentEncoder`'s. `training_datasets`: names of the mteb datasets that the
    model was trained on, by which mteb tells zero-shot results. Raises `InputError` for a folder without a model.
    """

    def __init__(
        self,
        model_name: str | os.PathLike | LanguageModel,
        revision: str | None = None,
        *,
        device: str | None = None,
        pooling: str = "mean",
        precision: str = "float32",
        token_weights: np.ndarray | None = None,
        training_datasets: Iterable[str] | None = None,
    ):
        is_model = isinstance(model_name, LanguageModel)
        lm = model_name if is_model else LanguageModel.load(model_name)
        if revision not in (None, lm.fingerprint):
            raise InputError(
                f"revision: {model_name} is {lm.fingerprint}, not {revision}; leave it out or load that one."
            )
        self.model = DocumentEncoder(lm, pooling, precision, token_weights=token_weights, device=device or "cpu")
        name = "language_model" if is_model else Path(model_name).resolve().name
        self.mteb_model_meta = _meta(self.model, name, training_datasets)

    def encode(self, inputs: Iterable[Mapping[str, Sequence[str]]], *, task_metadata=None, **kwargs) -> np.ndarray:
        """Vectors of the texts of all batches of `inputs`, float32 [n_texts, width]; queries are encoded as documents are.

        The other arguments are mteb's; a language model has no prompts, and a batch size would change nothing. Raises
        `InputError` for batches that hold no text.
        """
        texts: list[str] = []
        for batch in inputs:
            if "text" not in batch:
                raise InputError(f"inputs: a batch holds {', '.join(batch)} but no text; choose tasks on texts.")
            texts += batch["text"]
        return self.model.encode(texts)


def _meta(encoder: DocumentEncoder, name: str, training_datasets: Iterable[str] | None) -> ModelMeta:
    """What mteb records about a model; `experiment_kwargs` keeps the results of different poolings apart."""
    lm = encoder.lm
    n_parameters = sum(parameter.numel() for parameter in lm.awd_lstm.parameters())
    return ModelMeta(
        loader=None,
        name=f"unpadded/{name}",
        revision=lm.fingerprint,
        release_date=None,
        languages=None,
        n_parameters=n_parameters,
        n_embedding_parameters=lm.awd_lstm.encoder.weight.numel(),
        memory_usage_mb=4 * n_parameters / 2**20,
        max_tokens=None,  # there is no longest document
        embed_dim=encoder.width,
        license=None,
        open_weights=None,
        public_training_code=None,
        public_training_data=None,
        framework=["PyTorch"],
        similarity_fn_name="cosine",
        use_instructions=False,
        training_datasets=None if training_datasets is None else set(training_datasets),
        experiment_kwargs={"pooling": encoder.pooling, "precision": encoder.precision},
    )
