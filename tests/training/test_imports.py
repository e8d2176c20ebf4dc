"""What training imports, and when."""

import subprocess
import sys

import pytest

TINY = """
import sys
import numpy as np
from unpadded import TrainingSettings, train
from unpadded.tokens import TokenizedCorpus

ids = np.arange(600, dtype=np.int32) % 20
corpus = TokenizedCorpus(ids, np.arange(0, 601, 20), [f"t{i}" for i in range(20)])
settings = TrainingSettings(emb_sz=8, n_hid=8, batch_size=2, epochs=1, min_count=1, precision="bfloat16")
train(corpus, settings, progress=False, device="cpu")
found = {name for name in sys.modules if name.split(".")[0] == "numba" or "cpu_bfloat16" in name}
assert not found, found
"""


@pytest.mark.slow
def test_training_a_narrow_model_imports_neither_the_compiler_nor_the_code_of_wide_layers():
    done = subprocess.run([sys.executable, "-c", TINY], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
