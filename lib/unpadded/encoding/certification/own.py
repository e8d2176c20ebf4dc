"""Unpadded's own encoder: every document alone against the same documents in every configuration, and against fastai."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from unpadded.common import InputError
from unpadded.encoding.certification.certificate import OWN, Certificate
from unpadded.encoding.certification.comparing import cosines, differences, neighbours_changed, scales
from unpadded.encoding.certification.fastai_loop import fastai_vectors
from unpadded.encoding.certification.precision import tolerance
from unpadded.encoding.encoder import DocumentEncoder
from unpadded.encoding.validation import checked_documents

ORDERS = ("given", "reversed", "shuffled")


@dataclass(frozen=True)
class Configuration:
    """One way to encode all documents in one call: their order, and the options of the engine (None: what it chooses)."""

    order: str
    options: dict[str, int | None]

    def __str__(self) -> str:
        return ", ".join([self.order, *(f"{name} {_name(value)}" for name, value in self.options.items())])

    def places(self, n: int, seed: int) -> np.ndarray:
        """Positions of the documents in the order in which they are encoded."""
        if self.order == "shuffled":
            return np.random.default_rng(seed).permutation(n)
        return np.arange(n)[::-1] if self.order == "reversed" else np.arange(n)

    def row(self, method: str, found: np.ndarray, expected: np.ndarray) -> dict:
        """What a table says of it."""
        apart = differences(found, expected)
        n_different = int((apart > 0).sum())
        return {
            "method": method,
            "order": self.order,
            **{name: _name(value) for name, value in self.options.items()},
            "n_documents": len(found),
            "max_abs_diff": float(apart.max(initial=0.0)),
            "n_different": n_different,
            "bit_identical": n_different == 0,
        }


def configurations(encoder: DocumentEncoder, orders: Sequence[str], n: int | None) -> list[Configuration]:
    """`n` of the encoder's own ways of working (None: all) in the given order, and the other orders with what it chooses.

    Raises `InputError` for an order that is not known.
    """
    unknown = sorted(set(orders) - set(ORDERS))
    if unknown:
        raise InputError(f"The order {unknown[0]!r} is not known: give {', '.join(ORDERS)}.")
    options = [options for options, _ in encoder.variants()]
    chosen = np.unique(np.linspace(0, len(options) - 1, min(n or len(options), len(options))).round().astype(int))
    shapes = [Configuration("given", options[i]) for i in chosen]
    return shapes + [Configuration(order, dict.fromkeys(options[0])) for order in orders if order != "given"]


def certify_own(
    encoder: DocumentEncoder, documents: Sequence, shapes: Sequence[Configuration], *, seed: int
) -> Certificate:
    """Encode `documents` (token ids or texts) alone and in all `shapes`; what a batch changes is only measured here."""
    if documents and all(isinstance(document, str) for document in documents):
        documents = encoder.lm.numericalize(list(documents))
    documents = checked_documents(documents, len(encoder.lm.vocab))
    alone = np.concatenate([encoder.encode_tokens([d]) for d in documents] or [encoder.encode_tokens([])])
    batches, rows = [], []
    for shape in shapes:
        places = shape.places(len(documents), seed)
        variant = encoder.variant(**shape.options)
        batch = np.empty_like(alone)
        batch[places] = variant.encode_tokens([documents[i] for i in places])
        batches.append(batch)
        rows.append(shape.row(OWN, batch, alone))
    rows.append(
        replace(shapes[0], options=dict.fromkeys(shapes[0].options)).row(
            "fastai", fastai_vectors(encoder, documents), alone
        )
    )
    excess = np.stack([differences(batch, alone) for batch in batches], axis=1) / scales(alone)[:, None]
    largest = max((row["max_abs_diff"] for row in rows if row["method"] == OWN), default=0.0)
    found = Certificate(
        verdict="bit-identical",
        follows="nothing",
        reason="no batch changed a bit",
        rows=tuple(rows),
        max_abs_diff=largest,
        min_cosine=1.0,
        neighbours_changed=0.0,
        precision=encoder.precision,
        n_threads=torch.get_num_threads(),
        n_calls=len(documents) + len(shapes),
        documents=tuple(tuple(tokens.tolist()) for tokens in documents),
        trials=tuple(map(str, shapes)),
        excess=excess,
    )
    if largest == 0:
        return found
    rounding = excess.max() <= tolerance(encoder.precision)
    return replace(
        found,
        verdict="rounding" if rounding else "depends on the batch",
        follows="rounding" if rounding else "the batch",
        reason="a vector is another one in some configurations",
        min_cosine=float(min(cosines(batch, alone).min(initial=1.0) for batch in batches)),
        neighbours_changed=max(neighbours_changed(batch, alone) for batch in batches),
    )


def _name(value: int | None) -> str:
    return "chosen" if value is None else str(value)
