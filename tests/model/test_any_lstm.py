"""Whatever LSTM people bring: read exactly, or refused in one sentence before anything is computed."""

import copy

import numpy as np
import pytest
import torch
from fastai.text.all import (
    AWD_LSTM,
    WeightDropout,
    awd_lstm_clas_config,
    awd_lstm_lm_config,
    get_language_model,
    get_text_classifier,
)
from torch import nn

from unpadded.common.errors import InputError
from unpadded.encoding.certification import certify
from unpadded.encoding.encoder import DocumentEncoder
from unpadded.model.fastai_modules import weights_of
from unpadded.model.language_model import LanguageModel

N_TOKENS = 30
VOCAB = [f"t{i}" for i in range(N_TOKENS)]
SIZES = {"emb_sz": 8, "n_hid": 12, "n_layers": 2}
DOCUMENTS = [np.random.default_rng(n).integers(0, N_TOKENS, n) for n in (1, 2, 9, 40, 3, 17)]


class Around(nn.Module):
    """Somebody's own module around an encoder."""

    def __init__(self, *parts):
        super().__init__()
        self.parts, self.head = nn.ModuleList(parts), nn.Linear(8, 3)


def awd_lstm() -> AWD_LSTM:
    return AWD_LSTM(N_TOKENS, **SIZES)


def classifier():
    return get_text_classifier(AWD_LSTM, N_TOKENS, 3, config={**awd_lstm_clas_config, **SIZES})


def encoder_of(module) -> AWD_LSTM:
    return next(part for part in module.modules() if isinstance(part, AWD_LSTM))


@pytest.mark.parametrize(
    "make", [awd_lstm, lambda: Around(awd_lstm()), classifier, lambda: nn.DataParallel(awd_lstm())]
)
def test_the_one_encoder_in_any_module(make, tmp_path):
    module = make()
    lm = LanguageModel(module, VOCAB)
    assert lm.awd_lstm is encoder_of(module)
    encoder = DocumentEncoder(lm, pooling="mean")
    report = certify(encoder, DOCUMENTS)
    assert report.bit_identical
    assert report.max_abs_diff_fastai < 1e-6
    before = encoder.encode_tokens(DOCUMENTS)
    loaded = LanguageModel.load(lm.save(tmp_path))
    assert np.array_equal(DocumentEncoder(loaded, pooling="mean").encode_tokens(DOCUMENTS), before)
    assert loaded.fingerprint == lm.fingerprint == copy.deepcopy(lm).fingerprint
    with torch.no_grad():  # not a copy: the vectors follow the training of the module
        lm.awd_lstm.encoder.weight.add_(0.1)
    assert not np.array_equal(encoder.encode_tokens(DOCUMENTS), before)


def test_a_language_model_within_a_module_keeps_its_output_layer():
    module = get_language_model(AWD_LSTM, N_TOKENS, {**awd_lstm_lm_config, **SIZES, "tie_weights": False})
    lm = LanguageModel(Around(module), VOCAB)
    assert lm.module[1] is module[1]
    assert LanguageModel(module, VOCAB).module is module
    assert weights_of(lm.module).keys() == weights_of(module).keys()


@torch.no_grad()
def looped(embedding: nn.Embedding, lstm: nn.LSTM, pooling: str) -> np.ndarray:
    """torch's own LSTM on one document at a time."""
    ways = {"last": lambda h: h[-1], "mean": lambda h: h.mean(0), "max": lambda h: h.amax(0)}
    batch_axis = 0 if lstm.batch_first else 1
    states = (lstm(embedding(torch.as_tensor(d)).unsqueeze(batch_axis))[0].squeeze(batch_axis) for d in DOCUMENTS)
    return np.stack([ways[pooling](h).numpy() for h in states])


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@pytest.mark.parametrize(
    ("emb_sz", "width", "n_layers", "options"),
    [
        (9, 9, 1, {}),
        (9, 14, 1, {"batch_first": True}),
        (14, 9, 3, {"bias": False}),
        (33, 210, 2, {"batch_first": True, "dropout": 0.3}),  # wide: the other engine
        (210, 210, 2, {"bias": False}),
    ],
)
def test_a_plain_lstm_gives_what_torch_gives(emb_sz, width, n_layers, options, pooling, tmp_path):
    torch.manual_seed(0)
    embedding, lstm = nn.Embedding(N_TOKENS, emb_sz, padding_idx=3), nn.LSTM(emb_sz, width, n_layers, **options).eval()
    lm = LanguageModel.from_lstm(embedding, lstm, VOCAB)
    encoder = DocumentEncoder(lm, pooling=pooling)
    found = encoder.encode_tokens(DOCUMENTS)
    np.testing.assert_allclose(found, looped(embedding, lstm, pooling), rtol=0, atol=1e-6)
    assert encoder.width == width
    alone = np.concatenate([encoder.encode_tokens([d]) for d in DOCUMENTS])
    assert np.array_equal(found, alone)
    report = certify(encoder, DOCUMENTS)
    assert report.bit_identical
    assert report.max_abs_diff_fastai < 1e-6
    loaded = LanguageModel.load(lm.save(tmp_path))
    assert np.array_equal(DocumentEncoder(loaded, pooling=pooling).encode_tokens(DOCUMENTS), found)
    assert loaded.fingerprint == lm.fingerprint == copy.deepcopy(lm).fingerprint
    assert torch.isfinite(loaded.module(torch.tensor([[1, 2]]))[0]).all()


def test_a_plain_lstm_reads_texts_by_a_function(tmp_path):
    vocab = ["<unk>", "a", "text"]
    lm = LanguageModel.from_lstm(nn.Embedding(3, 8), nn.LSTM(8, 8), vocab, str.split)
    assert [ids.tolist() for ids in lm.numericalize(["a text", "no text", ""])] == [[1, 2], [0, 2], []]
    expected = DocumentEncoder(lm, pooling="mean").encode_tokens([[1, 2]])
    assert np.array_equal(DocumentEncoder(lm, pooling="mean").encode(["a text"]), expected)


def refused(words, make):
    with pytest.raises(InputError, match=words) as error:
        make()
    assert "\n" not in str(error.value)
    assert str(error.value).endswith(".")


@pytest.mark.parametrize(
    ("lstm", "words"),
    [
        (nn.GRU(8, 8), "a GRU"),
        (nn.RNN(8, 8), "a RNN"),
        (nn.LSTM(8, 8, bidirectional=True), "bidirectional"),
        (nn.LSTM(8, 8, proj_size=4), "proj_size"),
        (nn.LSTM(7, 8), "reads 7 numbers"),
        (nn.utils.parametrizations.weight_norm(nn.LSTM(8, 8), "weight_hh_l0"), "Parametrized"),
    ],
)
def test_other_cells_are_refused_at_once(lstm, words):
    refused(words, lambda: LanguageModel.from_lstm(nn.Embedding(N_TOKENS, 8), lstm, VOCAB))


def test_other_embeddings_and_hooks_are_refused_at_once():
    lstm = nn.LSTM(8, 8)
    refused("max_norm", lambda: LanguageModel.from_lstm(nn.Embedding(N_TOKENS, 8, max_norm=1.0), lstm, VOCAB))
    refused("EmbeddingBag", lambda: LanguageModel.from_lstm(nn.EmbeddingBag(N_TOKENS, 8), lstm, VOCAB))
    refused("3 tokens", lambda: LanguageModel.from_lstm(nn.Embedding(N_TOKENS, 8), lstm, VOCAB[:3]))
    lstm.register_forward_hook(lambda *_: None)
    refused("forward hook", lambda: LanguageModel.from_lstm(nn.Embedding(N_TOKENS, 8), lstm, VOCAB))


class Gru(AWD_LSTM):
    """As fastai's QRNN variant does it: other cells in the same frame."""

    def _one_rnn(self, n_in, n_out, bidir, weight_p, l):  # noqa: E741
        return WeightDropout(nn.GRU(n_in, n_out, 1, batch_first=True), weight_p)


class OwnForward(AWD_LSTM):
    def forward(self, inp, from_embeds=False):
        return 2 * super().forward(inp, from_embeds)


def test_variants_of_an_awd_lstm_are_refused_at_once():
    refused("Layer 0 is a GRU", lambda: LanguageModel(Gru(N_TOKENS, **SIZES), VOCAB))
    refused("a forward pass of its own", lambda: LanguageModel(OwnForward(N_TOKENS, **SIZES), VOCAB))
    refused("[Bb]idirectional", lambda: LanguageModel(AWD_LSTM(N_TOKENS, **SIZES, bidir=True), VOCAB))
    refused("2 AWD_LSTMs", lambda: LanguageModel(Around(awd_lstm(), awd_lstm()), VOCAB))
    refused("no AWD_LSTM", lambda: LanguageModel(nn.LSTM(8, 8), VOCAB))
    refused("a dict, no torch module", lambda: LanguageModel({}, VOCAB))
    hooked = awd_lstm()
    hooked.rnns[1].register_forward_pre_hook(lambda *_: None)
    refused("'rnns.1' has a forward hook", lambda: LanguageModel(hooked, VOCAB))
    other_table = awd_lstm()
    other_table.encoder = nn.Embedding(N_TOKENS, 8)
    refused("another table", lambda: LanguageModel(other_table, VOCAB))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", ["encoder.weight", "rnns.1.weight_hh_l0_raw", "rnns.0.module.bias_ih_l0"])
def test_weights_that_are_not_finite_are_refused_at_once(name, value):
    module = awd_lstm()
    with torch.no_grad():
        dict(module.named_parameters())[name].view(-1)[5] = value
    refused(rf"{name} hold numbers that are not finite, 1 of", lambda: LanguageModel(module, VOCAB))
