"""The loss of training with sampled negatives against its definition."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from unpadded.model.fastai_modules import make_module
from unpadded.training.objective import SMOOTHING, LanguageModelObjective

CALM = dict.fromkeys(("output_p", "input_p", "embed_p", "weight_p", "hidden_p"), 1e-12)  # at 0 fastai cannot reset it


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_sampled_loss_is_the_cross_entropy_of_the_corrected_logits_of_target_and_negatives(tied, bias):
    torch.manual_seed(0)
    sizes = {"emb_sz": 6, "n_hid": 6, "n_layers": 1, "tie_weights": tied, "out_bias": bias}
    module, counts, n = make_module(30, sizes | CALM), np.arange(30) + 1, 50  # so many that targets are drawn too
    decoder = module[1].decoder
    if bias:
        torch.nn.init.normal_(decoder.bias)
    objective = LanguageModelObjective(module, counts, negatives=n, alpha=0, beta=0).train()
    x, y = torch.randint(2, 30, (2, 4, 7))  # fastai gives the pad, 1, no gradient
    objective.reset()
    torch.manual_seed(1)
    found = objective(x, y)

    torch.manual_seed(1)
    negatives = torch.multinomial(objective.proposal, n, replacement=True)
    objective.reset()
    logits = decoder(module[0](x)).flatten(0, 1)
    share = torch.from_numpy(counts**SMOOTHING / (counts**SMOOTHING).sum()).float()
    corrected = logits - (share.log() + math.log(n))
    drawn = corrected[:, negatives].masked_fill(y.flatten()[:, None] == negatives, -torch.inf)
    table = torch.cat([corrected.gather(1, y.flatten()[:, None]), drawn], 1)
    expected = F.cross_entropy(table, torch.zeros(len(table), dtype=torch.long))
    torch.testing.assert_close(found, expected)
    for one, other in zip(
        torch.autograd.grad(found, module.parameters(), allow_unused=True, retain_graph=True),
        torch.autograd.grad(expected, module.parameters(), allow_unused=True),
        strict=True,
    ):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, other)
