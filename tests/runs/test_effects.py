"""What a parameter does, on tables where it is known."""

import numpy as np
import pandas as pd
import pytest

from unpadded.common.errors import InputError
from unpadded.report.plots.effects import effect_panels
from unpadded.runs.sweeps.effects import effects


def table(*, noise: float = 0.0, drop: int = 0) -> pd.DataFrame:
    """Size adds 0.1 a step, mean 0.2; each seed has its own level, far larger than both."""
    rng = np.random.default_rng(0)
    rows = [
        {"corpus": "c", "task": "clustering", "metric": "v_measure", "method": "lm", "postprocess": "none",
         "params.size": size, "params.seed": seed, "params.poolings": pooling, "pooling": pooling,
         "value": 10 * seed + 0.1 * i + 0.2 * (pooling == "mean") + noise * rng.standard_normal()}
        for i, size in enumerate([10, 200, 30])
        for seed in range(5)
        for pooling in ("mean", "last")
    ]  # fmt: skip
    baseline = rows[0] | {"method": "tfidf", "value": 99.0}
    return pd.DataFrame([*rows[drop:], baseline])


def test_effects_are_those_that_were_put_in():
    found = effects(table(), metrics=["v_measure"])
    assert list(dict.fromkeys(found.parameter)) == ["size", "pooling"]
    size = found[found.parameter == "size"]
    assert size.level.tolist() == [10, 30, 200]  # numbers in their order
    assert np.diff(size["mean"]) == pytest.approx([0.2, -0.1])
    assert size.n.tolist() == [10, 10, 10]
    pooling = found[found.parameter == "pooling"].set_index("level")["mean"]
    assert pooling["mean"] - pooling["last"] == pytest.approx(0.2)


def test_intervals_leave_out_what_the_seeds_do():
    found = effects(table(noise=0.01), metrics=["v_measure"])
    widths = (found.ci_high - found.ci_low).to_numpy()
    assert (widths > 0).all()
    assert (widths < 0.05).all()  # the seeds differ by 10
    assert ((found.ci_low <= found["mean"]) & (found["mean"] <= found.ci_high)).all()


def test_a_missing_run_does_not_tilt_the_others():
    whole, holed = (effects(table(drop=n), metrics=["v_measure"]) for n in (0, 1))
    steps = [np.diff(t[t.parameter == "size"]["mean"]) for t in (whole, holed)]
    assert steps[1] == pytest.approx(steps[0], abs=0.05)  # a plain mean would move by more than 1


def test_one_combination_has_no_interval_and_no_score_is_an_error():
    one = table()
    one = one[(one["params.seed"] == 0) & (one.pooling == "mean")]
    found = effects(one, metrics=["v_measure"])
    assert found.ci_low.isna().all()
    assert found["mean"].notna().all()
    with pytest.raises(InputError, match="nDCG"):
        effects(one, metrics=["nDCG@10"])


def test_panels_show_a_point_a_level_and_share_their_scale():
    found = effects(table(noise=0.01), metrics=["v_measure"])
    figure = effect_panels(found, "v_measure")
    assert [axis.get_title(loc="left") or axis.get_title() for axis in figure.axes] == ["size", "pooling"]
    assert [len(axis.get_xticks()) for axis in figure.axes] == [3, 2]
    assert len({axis.get_ylim() for axis in figure.axes}) == 1
    with pytest.raises(InputError, match="accuracy"):
        effect_panels(found, "accuracy")
