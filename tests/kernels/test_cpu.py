"""What this processor and this build of torch have, and that the library does without what they lack."""

import subprocess
import sys

import pytest

WITHOUT = """
import types
import torch

torch.ops.mkldnn = torch.ops.mkl = types.SimpleNamespace()  # as in a build without oneDNN and MKL
del torch.cpu.get_capabilities
import numpy as np
from unpadded import DocumentEncoder, LanguageModel
from unpadded.training.cpu_bfloat16.lstm import SteppedLSTM

lm = LanguageModel.new(["xxunk", "xxpad", *"abcdef"], {"emb_sz": 9, "n_hid": 210, "n_layers": 2})
documents = [np.arange(8), np.arange(3)]
exact, rounded = (DocumentEncoder(lm, precision=name).encode_tokens(documents) for name in ("float32", "bfloat16"))
assert 0 < np.abs(exact - rounded).max() < 0.01, np.abs(exact - rounded).max()
"""


@pytest.mark.slow
def test_a_torch_without_onednn_and_its_private_functions_still_encodes():
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning:unpadded", "-c", WITHOUT], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
