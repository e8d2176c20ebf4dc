"""Memory that is used again: where that is safe, and that gradients are what they would be without."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from unpadded.training.objective import Rows
from unpadded.training.workspace import Workspace


def test_memory_is_told_apart_by_name_and_dtype_and_grows_only():
    workspace = Workspace()
    first = workspace.take("a", torch.float32, 2, 3)
    assert workspace.take("a", torch.float32, 2, 3).data_ptr() == first.data_ptr()
    others = [workspace.take(*other) for other in [("b", torch.float32, 2, 3), ("a", torch.bfloat16, 2, 3)]]
    assert len({first.data_ptr(), *(other.data_ptr() for other in others)}) == 3
    smaller = workspace.take("a", torch.float32, 3, 1)
    assert smaller.data_ptr() == first.data_ptr()
    assert smaller.shape == (3, 1)
    assert smaller.is_contiguous()
    first.fill_(1)
    larger = workspace.take("a", torch.float32, 4, 3)
    larger.fill_(2)
    assert larger.shape == (4, 3)
    assert first.unique().tolist() == [1]


@given(st.lists(st.lists(st.integers(0, 4), max_size=9), min_size=1, max_size=3), st.booleans())
def test_rows_and_their_gradients_are_those_of_an_embedding_whether_gradients_are_cleared_or_added_up(passes, cleared):
    found, expected = (torch.nn.Parameter(torch.arange(10.0).view(5, 2)) for _ in "ab")
    workspace = Workspace()
    for ids in map(torch.tensor, passes):
        ids = ids.long()
        scale = torch.arange(1.0, 1 + len(ids)).view(-1, 1)
        rows = Rows.apply(found, ids, "table", workspace)
        assert torch.equal(rows, F.embedding(ids, expected))
        (rows * scale).sum().backward()
        (F.embedding(ids, expected) * scale).sum().backward()
        assert torch.equal(found.grad, expected.grad)
        if cleared:
            found.grad = expected.grad = None


def test_a_gradient_lies_where_the_last_one_lay_but_not_while_that_is_in_use():
    table, workspace = torch.nn.Parameter(torch.zeros(5, 2)), Workspace()

    def gradient() -> torch.Tensor:
        Rows.apply(table, torch.tensor([1, 1]), "table", workspace).sum().backward()
        return table.grad

    place = gradient().data_ptr()
    table.grad = None
    assert gradient().data_ptr() == place
    assert gradient().tolist()[1] == [4, 4]  # two passes added up
