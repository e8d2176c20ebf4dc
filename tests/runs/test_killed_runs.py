"""A run that is killed at every kind of its work, in a kernel and without, and goes on to the scores of one that was not."""

import signal

import pandas as pd
import pytest

from killed_run import Forks, kill_in_a_kernel
from smoke_run import comparable

pytestmark = pytest.mark.slow

# What a run that is to be killed has left by then: it trains, encodes, is taught, scores.
MOMENTS = ("checkpoints/*", "embeddings/*/shards.jsonl", "tuning_checkpoints/*", "scores/06_clustering.csv")


def test_a_run_killed_again_and_again_ends_in_the_same_scores(shared_run, folders_corpus, tmp_path):
    output = tmp_path / "killed"
    kill_in_a_kernel(folders_corpus, output)
    with Forks(folders_corpus, output) as forks:
        assert [forks.kill_when(left) for left in MOMENTS] == [-signal.SIGKILL] * len(MOMENTS)
        assert forks.to_the_end() == 0
    pd.testing.assert_frame_equal(comparable(output), comparable(shared_run))
    assert (output / "recommended.json").read_bytes() == (shared_run / "recommended.json").read_bytes()
