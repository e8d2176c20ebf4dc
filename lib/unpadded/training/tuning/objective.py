"""What tuning minimises: how far pieces of documents stand to each other otherwise than the whole documents do.

*Relations*: the cosine of two pieces' vectors shall be that of their whole documents by their words (`teacher`), 1 for two
pieces of one document (relations as a teacher: Park et al., *Relational Knowledge Distillation*, CVPR 2019). From a part,
read in order, the model foretells what the whole is about; documents that are alike are not torn apart.
*Contrast*, where it is asked for: each piece has to find the other piece of its document among all pieces of the batch (Chen
et al., *SimCLR*, ICML 2020; for texts Gao et al., *SimCSE*, EMNLP 2021). Pieces of documents that are nearly the same are
not told apart.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from fastai.text.models.awdlstm import AWD_LSTM
from fastai.text.models.core import SequentialRNN
from torch import nn

from unpadded.kernels import PRECISIONS
from unpadded.training.objective import LanguageModelObjective
from unpadded.training.tuning.pieces import Pieces

ALIKE, SCALE = 10.0, 100.0


class TuningObjective(nn.Module):
    """Map the pieces of a batch to a scalar: the sum of three losses, each times its weight.

    `relations` and `contrast` weigh those of the module's docstring, `language_weight` that of the next word.

    `windows`, to be set, gives the language model's part of each step, `(x, y)` int64 [streams, window]; its state is
    carried on.
    """

    def __init__(
        self,
        language: LanguageModelObjective,
        *,
        pooling: str,
        relations: float,
        contrast: float,
        temperature: float,
        near_duplicate: float,
        language_weight: float,
        token_weights: torch.Tensor,
    ):
        super().__init__()
        self.register_buffer("token_weights", token_weights, persistent=False)
        self.language = language
        self.windows: Iterator[tuple[torch.Tensor, torch.Tensor]] = iter(())
        self.pooling, self.language_weight = pooling, language_weight
        self.relations, self.contrast = relations, contrast
        self.temperature, self.near_duplicate = temperature, near_duplicate
        self.windows_state: list | None = None

    @property
    def module(self) -> SequentialRNN:
        """The language model."""
        return self.language.module

    def reset(self) -> None:
        """Forget the carried recurrent state (fastai's ModelResetter calls this)."""
        self.module.reset()
        self.windows_state = None

    def carry(self, hidden: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Let the next window continue from these states (a `Checkpoint` calls this)."""
        self.windows_state = hidden

    def forward(self, pieces: Pieces, likeness: torch.Tensor) -> torch.Tensor:
        """The loss of what a `PieceLoader` yields."""
        precision = self.language.precision
        with torch.autocast(likeness.device.type, PRECISIONS[precision], enabled=precision != "float32"):
            vectors = self.vectors(pieces)
        loss = self.relations * relation_loss(vectors, likeness)
        if self.contrast:
            apart = likeness <= self.near_duplicate
            loss = loss + self.contrast * contrastive_loss(vectors, apart, self.temperature)
        if self.language_weight and self.training:
            loss = loss + self.language_weight * self._next_words()
        return loss

    def vectors(self, pieces: Pieces) -> torch.Tensor:
        """One float32 vector a piece [n, width]."""
        awd_lstm: AWD_LSTM = self.module[0]
        ids = torch.cat([group.flatten() for group in pieces.groups])
        rows = F.embedding(ids, awd_lstm.encoder.weight)
        if self.training:
            rows = self.language.drop_words(rows.unsqueeze(0), ids.unsqueeze(0)).squeeze(0)
        parts = rows.split([group.numel() for group in pieces.groups])
        lengths = pieces.lengths.split([len(group) for group in pieces.groups])
        pooled = []
        for group, part, n in zip(pieces.groups, parts, lengths, strict=True):
            self.module.reset()  # no piece begins in the state of another
            states = awd_lstm(part.view(*group.shape, -1), from_embeds=True)
            pooled.append(pool(states.float(), n, self.pooling, self.token_weights[group]))
        return torch.cat(pooled)[pieces.places]

    def _next_words(self) -> torch.Tensor:
        awd_lstm = self.module[0]
        self.module.reset()
        if self.windows_state is not None:
            self.language.carry(self.windows_state)
        loss = self.language(*next(self.windows))
        self.windows_state = awd_lstm.hidden
        return loss


def pool(states: torch.Tensor, lengths: torch.Tensor, pooling: str, weights: torch.Tensor) -> torch.Tensor:
    """One vector of the first `lengths` [n] of the states [n, steps, width]: [n, width].

    `weights` [n, steps], those of the tokens, are used by "weighted_mean".
    """
    if pooling == "last":
        return states[torch.arange(len(states), device=states.device), lengths - 1]
    inside = torch.arange(states.shape[1], device=states.device) < lengths.unsqueeze(1)
    if pooling == "max":
        return states.masked_fill(~inside.unsqueeze(2), -torch.inf).amax(1)
    weights = inside * weights if pooling == "weighted_mean" else inside.float()
    return torch.einsum("nsw,ns->nw", states, weights / weights.sum(1, keepdim=True))


def relation_loss(vectors: torch.Tensor, likeness: torch.Tensor) -> torch.Tensor:
    """Mean squared difference of the cosines of `vectors` [n, width] and of `likeness` [n, n], over all pairs of rows.

    Pairs that are alike weigh up to `1 + ALIKE` times as much as the many that are not. It is scaled so that the values are
    of the size of a cross-entropy.
    """
    unit = F.normalize(vectors.float(), dim=1)
    pairs = ~torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    with torch.autocast(unit.device.type, enabled=False):
        wrong = (unit @ unit.T - likeness) ** 2 * (1 + ALIKE * likeness.clamp(min=0) ** 2)
    return SCALE * wrong[pairs].mean()


def contrastive_loss(vectors: torch.Tensor, apart: torch.Tensor, temperature: float) -> torch.Tensor:
    """Mean cross-entropy of finding row i + n from row i, and back, among all rows of `vectors` [2 n, width], nats.

    `apart`: bool [2 n, 2 n]; pairs for which it is false are left out, but for the two pieces of a document.
    """
    unit = F.normalize(vectors.float(), dim=1)
    n = len(unit) // 2
    target = torch.arange(2 * n, device=unit.device).roll(n)
    allowed = apart.clone().fill_diagonal_(False)
    allowed[torch.arange(2 * n, device=unit.device), target] = True
    with torch.autocast(unit.device.type, enabled=False):
        cosines = (unit @ unit.T / temperature).masked_fill(~allowed, -torch.inf)
    return F.cross_entropy(cosines, target)
