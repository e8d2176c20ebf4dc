import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from unpadded.report.plots.training import perplexity_curves, recipe_points
from unpadded.training.held_out import cross_entropy, perplexity


def test_cross_entropy_is_the_models_own_over_the_whole_stream(tiny_model, tiny_tokens):
    numbered = tiny_tokens.with_vocab(tiny_model.vocab).select(range(5))
    ids = torch.from_numpy(np.array(numbered.ids)).long()
    tiny_model.module.eval()
    tiny_model.awd_lstm.bs = 1
    tiny_model.module.reset()
    with torch.no_grad():
        expected = F.cross_entropy(tiny_model.module(ids[None, :-1])[0][0], ids[1:]).item()
    tiny_model.module.reset()
    assert cross_entropy(tiny_model.module, numbered, batch_size=1, window=6) == pytest.approx(expected, abs=1e-5)
    assert perplexity(tiny_model.module, numbered, batch_size=1) == pytest.approx(np.exp(expected), rel=1e-4)


def test_the_carried_state_and_the_mode_are_left_alone(tiny_model, tiny_tokens):
    awd_lstm = tiny_model.awd_lstm
    tiny_model.module.train()
    held = awd_lstm.hidden
    cross_entropy(tiny_model.module, tiny_tokens.with_vocab(tiny_model.vocab).select(range(5)), batch_size=2)
    assert awd_lstm.hidden is held
    assert tiny_model.module.training
    tiny_model.module.eval()


def test_curves_stand_beside_published_figures():
    curves = pd.DataFrame({"model": ["a", "a", "b"], "minutes": [1, 2, 2], "valid_perplexity": [300.0, 200.0, 150.0]})
    axis = perplexity_curves(curves, {"valid": 68.6, "test": 65.8}).axes[0]
    assert [len(line.get_xdata()) for line in axis.lines] == [2, 1, 2]
    assert "AWD-LSTM paper, WikiText-2: 68.6 (test 65.8)" in [text.get_text() for text in axis.texts]


def test_points_of_the_recipe_stand_beside_baselines_with_their_intervals():
    table = pd.DataFrame(
        {
            "point": ["default", "default", "wide", "baselines"],
            "pooling": ["mean", "mean + idf", "mean", "lsa"],
            "v_measure": [0.5, 0.9, 0.4, 0.3],
            "P@10": [0.6, 0.9, 0.7, 0.2],
            "v_measure interval": ["0.4 to 0.6", "0.8 to 1.0", "0.3 to 0.5", "0.2 to 0.4"],
            "P@10 interval": ["0.5 to 0.7", "0.8 to 1.0", "0.6 to 0.8", "0.1 to 0.3"],
        }
    )
    v_measure, precision = recipe_points(table, "news: one pass").axes
    assert [label.get_text() for label in v_measure.get_yticklabels()] == ["lsa", "default", "wide"]  # by precision
    assert v_measure.get_title(loc="left") == "news: one pass"
    bars, points = precision.collections
    assert [(low[0], high[0]) for low, high in bars.get_segments()] == [(0.1, 0.3), (0.5, 0.7), (0.6, 0.8)]
    assert points.get_offsets()[:, 0].tolist() == [0.2, 0.6, 0.7]
    assert [line.get_xdata()[0] for line in v_measure.lines] == [0.5]  # the default's
