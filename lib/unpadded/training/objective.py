"""What training minimises: next-token cross-entropy without ever holding all logits.

Training samples negatives (Jean et al., *On Using Very Large Target Vocabulary for NMT*, ACL 2015, after Bengio and
Senécal 2008): each position's target is told apart from `negatives` tokens shared by the whole batch and drawn from
unigram^0.75 (Mikolov et al. 2013), every logit corrected by the log of its expected count. Validation uses the full
softmax, a block of positions at a time. Activation regularisation is AWD-LSTM's (Merity et al. 2017, section 4.6).
"""

import math
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from fastai.text.models.core import SequentialRNN
from torch import nn

from unpadded.kernels import PRECISIONS
from unpadded.training.workspace import Workspace

BLOCK = 1_024  # positions whose full logits exist at once
SMOOTHING = 0.75


class Rows(torch.autograd.Function):
    """Rows of a table [n, width] by their numbers [m]; the table's gradient uses the memory of the last step's again."""

    @staticmethod
    def forward(ctx, table, ids, name, workspace):
        """`name`: the table's in `workspace`."""
        ctx.ids, ctx.memory = ids, partial(workspace.gradient, name, table)
        return table.index_select(0, ids)

    @staticmethod
    def backward(ctx, of_rows):
        """Add up each row's gradients."""
        return ctx.memory().zero_().index_add_(0, ctx.ids, of_rows), None, None, None


class LanguageModelObjective(nn.Module):
    """Map windows of token ids to the mean cross-entropy of their targets, a scalar, in nats per token.

    `module` is a fastai language model; its layers and dropouts are used, its output layer only through the rows that
    are needed. `counts` [n_vocab] are the training corpus's token counts. With `negatives` = 0 the full softmax is used
    in training too. `alpha` and `beta` weigh the activation penalties. "bfloat16" and "float16" run under autocast.
    """

    def __init__(
        self,
        module: SequentialRNN,
        counts: np.ndarray,
        *,
        negatives: int = 1_024,
        alpha: float = 2.0,
        beta: float = 1.0,
        precision: str = "float32",
    ):
        super().__init__()
        self.precision = precision
        self.module, self.negatives, self.alpha, self.beta = module, negatives, alpha, beta
        frequency = torch.as_tensor(np.maximum(counts, 1), dtype=torch.float64) ** SMOOTHING
        self.register_buffer("proposal", (frequency / frequency.sum()).float(), persistent=False)
        self.register_buffer("log_proposal", self.proposal.log(), persistent=False)
        self.workspace = Workspace()

    def reset(self) -> None:
        """Forget the carried recurrent state (fastai's ModelResetter calls this)."""
        self.module.reset()

    def carry(self, hidden: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Let the next window continue from these states, (h, c) of each layer."""
        awd_lstm = self.module[0]
        awd_lstm.hidden, awd_lstm.bs = hidden, hidden[0][0].shape[1]

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        with torch.autocast(x.device.type, PRECISIONS[self.precision], enabled=self.precision != "float32"):
            return self._loss(x, y)

    def _loss(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        if self.training and self.negatives:
            return self._sampled(x, y)
        table = self.module[0].encoder.weight
        inputs = self.drop_words(self._rows("encoder", table, x), x) if self.training else F.embedding(x, table)
        states, raw = self._states(inputs)
        loss = self._full(states.flatten(0, 1), y.flatten())
        return loss + self._penalty(states, raw) if self.training else loss

    def _sampled(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        negatives = torch.multinomial(self.proposal, self.negatives, replacement=True)
        encoder, decoder = self.module[0].encoder.weight, self.module[1].decoder
        outputs = torch.cat([y.flatten(), negatives])
        if decoder.weight is encoder:  # one lookup, so that one gradient of the table's size is made instead of two
            rows = self._rows("encoder", encoder, torch.cat([x.flatten(), outputs]))
            inputs, rows = rows[: x.numel()].view(*x.shape, -1), rows[x.numel() :]
        else:
            inputs, rows = self._rows("encoder", encoder, x), self._rows("decoder", decoder.weight, outputs)
        states, raw = self._states(self.drop_words(inputs, x))
        flat = states.flatten(0, 1)  # [n, width]
        true, sampled = rows[: y.numel()], rows[y.numel() :]
        offset = -(math.log(self.negatives) + self.log_proposal)  # of each token's logit
        if decoder.bias is not None:
            offset = offset + decoder.bias
        true_logits = (flat * true).float().sum(1) + offset[y.flatten()]  # [n]
        sampled_logits = (flat @ sampled.T).float() + offset[negatives]  # [n, negatives]
        sampled_logits.masked_fill_(y.flatten().unsqueeze(1) == negatives, -1e4)  # in place: nothing looks back at it
        all_logits = torch.logaddexp(sampled_logits.logsumexp(1), true_logits)
        return (all_logits - true_logits).mean() + self._penalty(states, raw)

    def _rows(self, name: str, table: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """Rows of a table, a parameter, as `F.embedding` gives them: [*ids.shape, width]."""
        return Rows.apply(table, ids.flatten(), name, self.workspace).view(*ids.shape, -1)

    def drop_words(self, inputs: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """AWD-LSTM's embedding dropout: whole words vanish. fastai masks the table; masking its looked-up rows is the same."""
        p = self.module[0].encoder_dp.embed_p
        if not p:
            return inputs
        keep = torch.empty(self.proposal.shape[0], 1, device=inputs.device).bernoulli_(1 - p).div_(1 - p)
        return inputs * keep[x]

    def _states(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Last layer's states [batch, window, width] after and before output dropout; the state is carried in the module."""
        raw = self.module[0](inputs, from_embeds=True)
        return self.module[1].output_dp(raw), raw

    def _penalty(self, dropped: torch.Tensor, raw: torch.Tensor) -> torch.Tensor:
        penalty = self.alpha * dropped.float().square().mean()
        if raw.shape[1] > 1:
            penalty = penalty + self.beta * (raw[:, 1:] - raw[:, :-1]).float().square().mean()
        return penalty

    def _full(self, states: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        decoder = self.module[1].decoder
        blocks = zip(states.split(BLOCK), targets.split(BLOCK), strict=True)
        return sum(F.cross_entropy(decoder(s).float(), t, reduction="sum") for s, t in blocks) / targets.numel()
