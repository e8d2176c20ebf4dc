"""DocumentEncoder: what goes in, what comes out, what is refused, and how much memory it takes."""

import pickle
import subprocess
import sys
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
import torch

from encoder_tools import fastai_loop, random_documents, random_model
from unpadded.common.errors import InputError
from unpadded.encoding import direction
from unpadded.encoding.direction import multiplies_bytes
from unpadded.encoding.encoder import DocumentEncoder
from unpadded.encoding.schedule import backlogs_of
from unpadded.encoding.vectorizer import DocumentVectorizer
from unpadded.model.language_model import LanguageModel

TEXTS = ["the moon rocket", "", "bread and butter for the team", "xxpad xxpad zzqq", "\U0001f680 \x00\x07 ok"]


@pytest.fixture(scope="module")
def encoder(tiny_model):
    return DocumentEncoder(tiny_model, "concat")


def test_texts_become_vectors_in_their_order(encoder, tiny_model):
    vectors = encoder.encode(TEXTS)
    assert vectors.shape == (5, encoder.width) == (5, 36)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    assert np.array_equal(vectors, encoder.encode_tokens(tiny_model.numericalize(TEXTS)))
    assert np.array_equal(encoder.encode(TEXTS[::-1]), vectors[::-1])


@pytest.mark.parametrize(
    "container",
    [
        lambda texts: (text for text in texts),
        tuple,
        pd.Series,
        lambda texts: pd.Series(texts, index=list("edcba")),
        lambda texts: np.array(texts, dtype=object),
        np.array,
    ],
    ids=["generator", "tuple", "series", "labelled series", "object array", "str array"],
)
def test_any_iterable_of_texts_works(encoder, container):
    texts = [text.replace("\x00", "") for text in TEXTS]
    assert np.array_equal(encoder.encode(container(texts)), encoder.encode(texts))


def test_one_text_gives_one_vector(encoder):
    vector = encoder.encode(TEXTS[0])
    assert vector.shape == (encoder.width,)
    assert np.array_equal(vector, encoder.encode(TEXTS)[0])


def test_batch_size_and_progress_bar_change_nothing(encoder, capsys):
    expected = encoder.encode(TEXTS)
    assert np.array_equal(encoder.encode(TEXTS, batch_size=2), expected)
    assert capsys.readouterr().out == ""
    assert np.array_equal(encoder.encode(TEXTS, show_progress_bar=True), expected)
    assert np.array_equal(encoder.encode(TEXTS, show_progress_bar=False), expected)
    assert encoder.encode([], show_progress_bar=True).shape == (0, 36)


@pytest.mark.parametrize("empty", [[], (), np.array([], dtype=object), pd.Series([], dtype=object), iter([])])
def test_no_texts_give_no_rows(encoder, empty):
    vectors = encoder.encode(empty)
    assert vectors.shape == (0, encoder.width)
    assert vectors.dtype == np.float32


@pytest.mark.parametrize(
    ("wrong", "name"),
    [(None, "None"), (float("nan"), "NaN"), (b"bytes", "bytes"), (3, "int"), (["a"], "list"), (pd.NA, "NAType")],
)
def test_what_is_no_text_is_refused_by_place(encoder, wrong, name):
    texts = ["fine"] * 10
    for i in (1, 3, 4, 6, 7, 9):
        texts[i] = wrong
    with pytest.raises(InputError) as caught:
        encoder.encode(texts)
    message = str(caught.value)
    assert f"1 ({name}), 3 ({name}), 4 ({name}), 6 ({name}), 7 ({name}), ..." in message
    assert message.startswith("6 of the 10 texts")
    assert "9 (" not in message
    assert "\n" not in message


@pytest.mark.parametrize("texts", [b"bytes", 3, None])
def test_what_is_no_list_of_texts_is_refused(encoder, texts):
    with pytest.raises(InputError, match="list of texts"):
        encoder.encode(texts)


FRAME = pd.DataFrame({"title": ["a", "b"], "text": ["the moon", "bread"]})
NO_LISTS = {
    "data frame": FRAME,
    "dict": {"one": "the moon"},
    "ordered mapping": MappingProxyType({"one": "the moon"}),
    "set": {"the moon", "bread"},
    "frozenset": frozenset({"the moon"}),
    "matrix": np.array([["the moon", "bread"]]),
    "scalar array": np.array("the moon"),
    "rows": FRAME.to_numpy(),
    "series of numbers": pd.Series([1, 2]),
    "series of lists": pd.Series([["the"], ["moon"]]),
}


@pytest.mark.parametrize("texts", NO_LISTS.values(), ids=NO_LISTS)
def test_tables_dicts_and_what_has_no_order_are_refused_in_one_sentence(encoder, tiny_model, texts):
    for call in (encoder.encode, DocumentVectorizer(tiny_model).fit, encoder.encode_tokens):
        with pytest.raises(InputError) as caught:
            call(texts)
        assert "\n" not in str(caught.value)
        assert str(caught.value).startswith(("The texts", "The documents", "Document 0", "2 of the 2 texts"))


@pytest.mark.parametrize("texts", [FRAME["text"], {"a": "the moon"}.values(), {"the moon": 1}.keys(), ("the moon",)])
def test_columns_and_values_are_lists_of_texts(encoder, texts):
    assert np.array_equal(encoder.encode(texts), encoder.encode(list(texts)))


@pytest.mark.parametrize("tokens", ["the moon", b"the moon"])
def test_one_str_is_no_list_of_token_ids(encoder, tokens):
    with pytest.raises(InputError, match=f"The documents are {type(tokens).__name__}"):
        encoder.encode_tokens(tokens)


@pytest.mark.parametrize("batch_size", [0, -1, 2.0, True, "8"])
def test_a_batch_has_at_least_one_document(encoder, tiny_model, batch_size):
    with pytest.raises(InputError, match="option batch_size is"):
        encoder.encode(["the moon"], batch_size=batch_size)
    with pytest.raises(InputError, match="option batch_size is"):
        DocumentVectorizer(tiny_model, batch_size=batch_size).fit(["the moon"])


@pytest.mark.parametrize("device", ["cuda:99", "meta", "gpu", "mps", 3.5])
def test_a_device_that_is_not_there_is_refused_at_once(device):
    with pytest.raises(InputError, match=r"device .* cannot be used here: give 'cpu'"):
        DocumentEncoder(random_model(), device=device)


@pytest.mark.parametrize(
    ("units", "of_bytes", "of_bfloat16", "taken"),
    [
        (160, True, True, "int8"),
        (160, True, False, "int8"),
        (160, False, True, "bfloat16"),
        (160, False, False, "float32"),
        (32, True, True, "float32"),
    ],
)
def test_auto_is_the_precision_that_the_processor_multiplies_fastest(monkeypatch, units, of_bytes, of_bfloat16, taken):
    if of_bytes and units > 128 and not multiplies_bytes():
        pytest.skip("this processor does not multiply bytes")
    monkeypatch.setattr(direction, "multiplies_bytes", lambda: of_bytes)
    monkeypatch.setattr(direction, "bfloat16_is_fast", lambda: of_bfloat16)
    lm, documents = random_model(emb_sz=units, n_hid=units), random_documents([5, 1, 9])
    encoder = DocumentEncoder(lm, precision="auto")
    assert encoder.precision == taken
    found = DocumentEncoder(lm, precision=taken).encode_tokens(documents)
    np.testing.assert_array_equal(encoder.encode_tokens(documents), found)


def test_float16_is_refused_on_a_cpu():
    with pytest.raises(InputError, match="'float16' is CUDA's alone"):
        DocumentEncoder(random_model(), precision="float16")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused_by_name(value):
    source = random_model(seed=7)
    lm = LanguageModel(copy_of(source.module), source.vocab)
    encoder = DocumentEncoder(lm)
    with torch.no_grad():
        lm.awd_lstm.rnns[1].module.bias_hh_l0[3] = value
    for call in (lambda: DocumentEncoder(lm), lambda: encoder.encode_tokens([[3, 4]])):  # and after a training
        with pytest.raises(InputError, match=r"rnns\.1\.module\.bias_hh_l0"):
            call()


def test_a_lone_surrogate_is_read_as_the_replacement_character_with_a_note(encoder):
    texts = ["the moon", "bread \ud83d and", "\udc00\ud800", "\U0001f680"]
    with pytest.warns(UserWarning, match=r"2 of 4 texts hold lone surrogates, the first at position 1"):
        vectors = encoder.encode(texts)
    assert np.array_equal(vectors, encoder.encode(["the moon", "bread \ufffd and", "\ufffd\ufffd", "\U0001f680"]))
    with pytest.warns(UserWarning, match="surrogate"):
        assert np.array_equal(encoder.encode(texts[1]), vectors[1])


@pytest.mark.parametrize(("tiles", "names"), [(True, {"slots", "chunk_length"}), (False, {"piece_tokens", "threads"})])
def test_variants_are_what_matters_to_the_engine_and_change_nothing(monkeypatch, tiles, names):
    monkeypatch.setattr("unpadded.encoding.engine.tiled.has_tiles", lambda dtype: tiles)
    encoder, documents = DocumentEncoder(random_model()), random_documents([4, 0, 9, 30, 1, 17, 5, 5])
    expected, schedules = encoder.encode_tokens(documents), set()
    variants = list(encoder.variants())
    assert len({tuple(options.items()) for options, _ in variants}) == len(variants) == 12
    for options, variant in variants:
        assert options.keys() == names
        assert np.array_equal(variant.encode_tokens(documents), expected)
        found = [len(positions) for positions, _ in variant._stream(encoder.readers[0], backlog(documents), ("mean",))]
        schedules.add(tuple(found))
    assert len(schedules) > 2  # they do not all work in the same way


def backlog(documents):
    return backlogs_of(documents, np.array([len(tokens) for tokens in documents]))


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        ([[1.5, 2.0]], "float64"),
        ([[1, 2], [[1, 2]]], "Document 1 .* 2 dimensions"),
        ([3, 4], "Document 0 .* 0 dimensions"),
        ([[0], [0], [49, 50]], "Document 2 .* token id 50"),
        ([[0], [-1]], "Document 1 .* token id -1"),
        (["text"], "Document 0"),
        ([[True, False]], "bool"),
        ([None], "Document 0"),
        (7, "sequence"),
    ],
)
def test_wrong_token_ids_are_refused_by_place(tokens, words):
    encoder = DocumentEncoder(random_model())
    with pytest.raises(InputError, match=words):
        encoder.encode_tokens(tokens)
    if isinstance(tokens, list):
        with pytest.raises(InputError, match=words):
            list(encoder.stream_tokens(tokens))


def test_token_ids_of_any_integer_type_work():
    encoder, documents = DocumentEncoder(random_model()), random_documents([4, 9])
    expected = encoder.encode_tokens(documents)
    for dtype in (np.int8, np.uint16, np.int32, np.uint64):
        assert np.array_equal(encoder.encode_tokens([d.astype(dtype) for d in documents]), expected)
    assert np.array_equal(encoder.encode_tokens([d.tolist() for d in documents]), expected)
    assert np.array_equal(encoder.encode_tokens([torch.from_numpy(d) for d in documents]), expected)
    assert np.array_equal(encoder.encode_tokens(d for d in documents), expected)
    assert encoder.encode_tokens([]).shape == (0, encoder.width)


def test_a_stream_gives_every_document_once():
    encoder, documents = DocumentEncoder(random_model(), "concat"), random_documents([4, 0, 9, 30, 1])
    found = dict(encoder.stream_tokens(iter(documents)))
    expected = encoder.encode_tokens(documents, pooling=["last", "mean", "max"])
    assert sorted(found) == [0, 1, 2, 3, 4]
    for position, parts in found.items():
        assert list(parts) == ["last", "mean", "max"]
        assert all(np.array_equal(parts[name], expected[name][position]) for name in parts)
    assert {tuple(parts) for _, parts in encoder.stream_tokens(documents, pooling=["max"])} == {("max",)}


def test_the_consumer_of_a_stream_may_train_between_two_documents():
    stream = DocumentEncoder(random_model(), slots=2).stream_tokens(random_documents([3] * 50))
    next(stream)
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


@pytest.mark.parametrize(
    ("skip", "words"),
    [([0], "2 whole numbers"), ([0.0, 1.0], "whole numbers"), ([0, -1], "document 1"), ([4, 0], "4 of the 4 tokens")],
)
def test_what_is_not_pooled_must_leave_something(skip, words):
    with pytest.raises(InputError, match=words):
        DocumentEncoder(random_model()).encode_tokens(random_documents([4, 9]), skip=skip)


def test_documents_of_pad_tokens_are_documents():
    lm = random_model()
    documents = [np.array([1] * n) for n in (1, 2, 30)] + [np.array([5, 1, 1]), np.array([1, 1, 5])]
    expected = fastai_loop(lm, documents)
    found = DocumentEncoder(lm).encode_tokens(documents, pooling=["last", "mean"])
    for name in found:
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=1e-6)


def test_the_encoder_follows_a_model_that_is_trained_on():
    source = random_model(seed=7)
    lm = LanguageModel(copy_of(source.module), source.vocab)
    encoder, documents = DocumentEncoder(lm), random_documents([4, 9])
    before = encoder.encode_tokens(documents)
    with torch.no_grad():
        lm.awd_lstm.rnns[0].weight_hh_l0_raw.mul_(2)
    after = encoder.encode_tokens(documents)
    assert not np.array_equal(after, before)
    assert np.array_equal(after, DocumentEncoder(lm).encode_tokens(documents))


def copy_of(module):
    return pickle.loads(pickle.dumps(module))  # our own bytes


def test_an_encoder_can_be_sent_to_another_process():
    encoder, documents = DocumentEncoder(random_model(), "mean", layer=0), random_documents([4, 9])
    twin = pickle.loads(pickle.dumps(encoder))  # our own bytes
    assert np.array_equal(twin.encode_tokens(documents), encoder.encode_tokens(documents))


@pytest.mark.parametrize(
    "options",
    [
        {"pooling": "first"},
        {"precision": "float8"},
        {"layer": 2},
        {"layer": "top"},
        {"layer": True},
        {"slots": 0},
        {"chunk_length": 2.5},
        {"token_weights": [1.0]},
        {"token_weights": np.full(50, np.nan)},
        {"token_weights": np.full(50, -1.0)},
    ],
)
def test_wrong_options_are_refused(options):
    with pytest.raises(InputError):
        DocumentEncoder(random_model(), **options)


def test_ten_megabytes_without_a_space(tiny_model):
    text = "ab" * 50_000  # the tokenizer's own time at 10 MB is not what is tested here
    vector = DocumentEncoder(tiny_model).encode([text, "the moon"])
    assert np.isfinite(vector).all()


MEMORY = """
import sys, numpy as np, resource
sys.path.insert(0, {folder!r})
from encoder_tools import random_documents, random_model
from unpadded.encoding import DocumentEncoder
encoder = DocumentEncoder(random_model(500, 64, 128, 2), "mean")
encoder.encode_tokens(random_documents([20] * 2000, 500))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
documents = {documents}
vectors = encoder.encode_tokens(documents)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, len(vectors), np.isfinite(vectors).all())
"""


@pytest.mark.parametrize(
    ("documents", "n"),
    [
        ("random_documents([30] * 4096, 500)", 4096),  # a loop that keeps every state died of memory at 20
        ("random_documents([100_000], 500)", 1),  # its states alone would be 77 MB
    ],
)
def test_memory_grows_neither_with_the_documents_nor_with_their_length(documents, n, request):
    script = MEMORY.format(folder=str(request.path.parents[1]), documents=documents)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    grown, n_vectors, finite = done.stdout.split()
    assert int(grown) / 1024 < 40  # MiB, the documents and the vectors among them
    assert (int(n_vectors), finite) == (n, "True")
