"""certify: finds what is identical, and finds what is not."""

import json

import numpy as np
import pytest

from encoder_tools import random_documents, random_model
from unpadded.common.errors import InputError
from unpadded.encoding.certification import certify
from unpadded.encoding.encoder import DocumentEncoder


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"layer": "all"},
        {"pooling": "weighted_mean", "token_weights": np.linspace(0, 1, 50)},
        {"pooling": "max", "layer": 0, "slots": 3},
    ],
)
def test_a_sound_encoder_is_certified(options):
    report = certify(DocumentEncoder(random_model(50, 7, 11, 2), **options), random_documents([0, 1, 5, 30, 12]))
    assert report.bit_identical
    assert report.max_abs_diff == 0
    assert report.max_abs_diff_fastai < 1e-6
    frame = report.to_frame()
    assert len(frame) == 4 * 3 + 2 + 1
    assert set(frame["order"]) == {"given", "reversed", "shuffled"}
    assert set(frame["method"]) == {"unpadded", "fastai"}
    assert (frame["n_documents"] == 5).all()
    assert json.loads(json.dumps(report.to_dict()))["rows"] == frame.to_dict("records")


@pytest.mark.parametrize(
    ("n_hid", "options"), [(11, {"piece_tokens", "threads"}), (230, {"slots", "chunk_length"})], ids=["narrow", "wide"]
)
def test_a_row_is_a_way_of_working_that_the_engine_has(monkeypatch, n_hid, options):
    monkeypatch.setattr("unpadded.encoding.engine.tiled.has_tiles", lambda dtype: n_hid > 11)
    frame = certify(DocumentEncoder(random_model(n_hid=n_hid)), random_documents([1, 9, 4])).to_frame()
    assert options < set(frame.columns)
    tried = frame.query("method == 'unpadded'")
    assert not tried[["order", *options]].duplicated().any()
    assert (tried[sorted(options)].nunique() > 2).all()
    few = certify(DocumentEncoder(random_model(n_hid=n_hid)), random_documents([1, 9, 4]), configurations=4)
    assert len(few.to_frame()) == 4 + 2 + 1


def test_a_vector_that_depends_on_its_batch_is_found():
    class Leaky(DocumentEncoder):
        def encode_tokens(self, token_ids, **options):
            vectors = super().encode_tokens(token_ids, **options)
            return vectors + (len(token_ids) > 1) * np.float32(1e-3)

    report = certify(Leaky(random_model()), random_documents([3, 9]))
    assert not report.bit_identical
    assert report.max_abs_diff == pytest.approx(1e-3, rel=1e-3)
    assert (report.to_frame().query("method == 'unpadded'")["n_different"] == 2).all()


def test_wrong_states_are_found_although_batches_agree():
    class Scaled(DocumentEncoder):
        def encode_tokens(self, token_ids, **options):
            return super().encode_tokens(token_ids, **options) * np.float32(1.01)

    report = certify(Scaled(random_model()), random_documents([3, 9]))
    assert report.bit_identical
    assert report.max_abs_diff_fastai > 1e-4


def test_texts_and_nothing_can_be_certified(tiny_model):
    encoder = DocumentEncoder(tiny_model)
    assert certify(encoder, ["the moon", "bread"]).bit_identical
    nothing = certify(encoder, [])
    assert (nothing.bit_identical, nothing.max_abs_diff) == (True, 0.0)


def test_an_unknown_order_is_refused():
    with pytest.raises(InputError, match="sideways"):
        certify(DocumentEncoder(random_model()), random_documents([3]), orders=["sideways"])


def test_the_package_exports_the_function_whatever_was_imported_before():
    import unpadded
    import unpadded.embeddings.embedding
    import unpadded.encoding.certification

    assert unpadded.certify is unpadded.encoding.certification.certify
