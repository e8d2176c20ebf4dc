"""fastai's modules, lent: what a borrower does to one leaves no trace."""

from contextlib import nullcontext

import pytest
import torch

from unpadded.model.fastai_modules import borrowed, make_module


def read_with(module, tokens) -> None:
    """Read `tokens` with the borrowed module, which must be lent ready for that."""
    with borrowed(module) as awd_lstm:
        assert awd_lstm is module[0]
        assert not any(part.training for part in module.modules())
        assert not any(part.any() for layer in awd_lstm.hidden for part in layer)
        module(tokens)
        assert awd_lstm.bs == 1


@pytest.mark.parametrize(("token", "outcome"), [(2, nullcontext()), (99, pytest.raises(IndexError))])
def test_a_borrowed_module_comes_back_as_it_was(token, outcome):
    module = make_module(10, {"emb_sz": 4, "n_hid": 6, "n_layers": 2})
    awd_lstm = module[0]
    module(torch.full((3, 4), 2))  # three streams now have a state
    module[1].eval()  # and the parts different modes
    held, modes = awd_lstm.hidden, [part.training for part in module.modules()]
    values = [part.clone() for layer in held for part in layer]
    with outcome:
        read_with(module, torch.full((1, 5), token))
    assert awd_lstm.hidden is held
    assert all(torch.equal(a, b) for a, b in zip(values, [part for layer in held for part in layer], strict=True))
    assert awd_lstm.bs == 3
    assert [part.training for part in module.modules()] == modes
