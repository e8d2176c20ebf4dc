"""The picture of one document's states: every cell is a state, and each pooling is marked where it takes them from."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from unpadded.report.plots.palette import POOLING_COLOURS
from unpadded.report.plots.states import state_map
from unpadded.report.plots.style import DPI

WORDS = ["xxbos", "the", "rocket", "flew", "home"]


@pytest.fixture
def states() -> np.ndarray:
    """Unit u is largest at token u % 5, units vary the more the larger their number."""
    found = np.random.default_rng(0).normal(scale=0.01, size=(5, 8))
    for unit in range(8):
        found[unit % 5, unit] += 1 + unit
    return found.astype(np.float32)


def test_the_cells_are_the_states_and_beside_them_their_poolings(states):
    figure = state_map(WORDS, states, title="a title", n_units=6)
    left, right = figure.axes
    shown = left.images[0].get_array()
    rows = [unit for token in range(5) for unit in range(7, 1, -1) if unit % 5 == token]  # 0 and 1 vary least
    np.testing.assert_array_equal(shown, states[:, rows].T)
    expected = np.stack([states[-1, rows], states[:, rows].mean(0), states[:, rows].max(0)], axis=1)
    np.testing.assert_allclose(right.images[0].get_array(), expected)
    assert [label.get_text() for label in left.get_xticklabels()] == WORDS
    assert [label.get_text() for label in right.get_xticklabels()] == ["last", "mean", "max"]
    assert left.get_title(loc="left") == "a title"
    limits = {image.get_clim() for image in (left.images[0], right.images[0])}
    assert limits == {(-states.max(), states.max())}


def test_last_and_max_are_marked_where_they_stand(states):
    left, _ = state_map(WORDS, states, n_units=6).axes
    (marks,) = left.collections
    np.testing.assert_array_equal(marks.get_offsets()[:, 0], left.images[0].get_array().argmax(axis=1))
    (box,) = left.patches
    assert (box.get_x(), box.get_width()) == (3.5, 1)  # around the fifth token
    assert to_hex(box.get_edgecolor()) == POOLING_COLOURS["last"].lower()
    (line,) = left.lines
    assert list(line.get_xdata()) == [-0.5, 4.5]
    assert to_hex(line.get_color()) == POOLING_COLOURS["mean"].lower()


def test_who_cannot_see_it_hears_what_it_shows(states):
    said = state_map(WORDS, states, n_units=6).get_label()
    assert said.startswith(
        "Heat map of 6 of the 8 units of the hidden state over the 5 tokens of a document, which begins: "
    )
    assert (
        "xxbos the rocket flew home. Last is the state after the final token, home; mean takes all of them alike."
        in said
    )
    assert said.endswith("for 12% of the units that is at the final token.")  # of unit 4 alone


def test_a_document_of_one_token_has_a_picture_too():
    figure = state_map(["xxbos"], np.array([[0.5, -0.25]]))
    assert figure.axes[0].images[0].get_array().shape == (2, 1)
    assert figure.get_size_inches()[0] * DPI > 200
