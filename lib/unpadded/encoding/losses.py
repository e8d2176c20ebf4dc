"""What a Learner's loss says of its model's outputs: classes of which one is true, labels of which any may be, or numbers."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from fastai.losses import BaseLoss, FocalLoss, LabelSmoothingCrossEntropy
from torch import nn

from unpadded.common import InputError

ONE_LABEL, SEVERAL_LABELS, NUMBERS = "one label", "several labels", "numbers"
KINDS = {
    ONE_LABEL: (nn.CrossEntropyLoss, LabelSmoothingCrossEntropy, FocalLoss, F.cross_entropy),
    SEVERAL_LABELS: (
        nn.BCEWithLogitsLoss,
        nn.MultiLabelSoftMarginLoss,
        F.binary_cross_entropy_with_logits,
        F.multilabel_soft_margin_loss,
    ),
    NUMBERS: (
        nn.MSELoss,
        nn.L1Loss,
        nn.SmoothL1Loss,
        nn.HuberLoss,
        F.mse_loss,
        F.l1_loss,
        F.smooth_l1_loss,
        F.huber_loss,
    ),
}
ACTIVATIONS: dict[str, Callable] = {
    ONE_LABEL: partial(torch.softmax, dim=1),
    SEVERAL_LABELS: torch.sigmoid,
    NUMBERS: torch.nn.Identity(),
}
SCORES = torch.tensor([[-1.0, 0.5, 2.0]])
THRESHOLD = 0.5  # fastai's, above which a label is true


@dataclass(frozen=True)
class Outputs:
    """What outputs mean: their `kind`, a key of `KINDS`; `activation` makes probabilities, or numbers, of a row [1, n].

    `threshold`: the probability above which one of several labels is given.
    """

    kind: str
    activation: Callable[[torch.Tensor], torch.Tensor]
    threshold: float = THRESHOLD


def outputs_of(loss) -> Outputs:
    """What a fastai or torch loss says of the outputs. Raises `InputError` for a loss that does not say."""
    own = _own_activation(loss)
    inner = loss.func if isinstance(loss, (BaseLoss, partial)) else loss
    kind = _kind_by_activation(own) if own else _kind_by_name(inner)
    if kind is None:
        raise InputError(
            f"The Learner's loss, {getattr(inner, '__name__', type(inner).__name__)}, does not say what the outputs "
            "mean: give a Learner with a cross-entropy, BCEWithLogitsLossFlat or a loss of numbers such as MSELossFlat."
        )
    return Outputs(kind, own or ACTIVATIONS[kind], float(getattr(loss, "thresh", THRESHOLD)))


def _own_activation(loss) -> Callable | None:
    """What a fastai loss makes of scores, where it makes anything of them: its base class hands them back."""
    own = getattr(loss, "activation", None)
    return None if own is None or own(SCORES) is SCORES else own


def _kind_by_activation(activation: Callable) -> str | None:
    made = activation(SCORES)
    matching = (kind for kind in (ONE_LABEL, SEVERAL_LABELS) if torch.allclose(made, ACTIVATIONS[kind](SCORES)))
    return next(matching, None)


def _kind_by_name(loss) -> str | None:
    for kind, known in KINDS.items():
        if loss in known or isinstance(loss, tuple(one for one in known if isinstance(one, type))):
            return kind
    return None
