"""Models that read backward, and both directions side by side: exactly batched too."""

import json

import numpy as np
import pytest
import torch
from fastai.text.data import LMDataLoader
from fastai.torch_core import TensorBase

from unpadded.common.errors import InputError
from unpadded.common.names import CONCAT
from unpadded.embeddings.embedding import embed_corpus
from unpadded.encoding.certification import certify
from unpadded.encoding.encoder import DocumentEncoder
from unpadded.model.language_model import LanguageModel
from unpadded.tokens.tokenized import TokenizedCorpus
from unpadded.training.loader import StreamLoader

POOLINGS = [*CONCAT, "weighted_mean", "concat"]


@pytest.fixture(scope="module")
def both(tiny_tokens):
    vocab = tiny_tokens.build_vocab(min_count=1)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        forward, backward = (
            LanguageModel.new(vocab, {"emb_sz": 12, "n_hid": 20, "n_layers": 2}, direction=direction)
            for direction in ("forward", "backward")
        )
    return forward.with_backward(backward)


@pytest.fixture(scope="module")
def documents(both, tiny_tokens):
    numbered = tiny_tokens.with_vocab(both.vocab)
    return [np.array(numbered[i]) for i in range(25)] + [np.empty(0, np.int32)]


def loop(model, tokens, weights):
    """Each pooling of one document from fastai's own encoder, run on the document as the direction has it."""
    read = np.array(tokens[::-1] if model.direction == "backward" else tokens)
    model.module.eval()
    model.module.reset()
    with torch.no_grad():
        h = model.module[0](torch.from_numpy(read).long()[None])[0].double()
    w = torch.from_numpy(weights[read])[:, None]
    return {"last": h[-1], "mean": h.mean(0), "max": h.amax(0), "weighted_mean": (h * w).sum(0) / w.sum()}


def test_vectors_are_those_of_fastais_encoder_on_the_reversed_document(both, documents):
    weights = np.linspace(0.1, 1, len(both.vocab))
    for lm in (both.backward, both):
        arrays = DocumentEncoder(lm, token_weights=weights).encode_tokens(documents, pooling=POOLINGS)
        for i, tokens in enumerate(documents[:-1]):
            alone = [loop(model, tokens, weights) for model in lm.directions]
            for part in POOLINGS[:-1]:
                np.testing.assert_allclose(arrays[part][i], np.concatenate([h[part] for h in alone]), atol=1e-6)
        np.testing.assert_array_equal(arrays["concat"], np.concatenate([arrays[part] for part in CONCAT], axis=1))
        assert not arrays["concat"][-1].any()


def test_both_are_the_two_models_side_by_side(both, documents):
    arrays = [DocumentEncoder(lm, "mean").encode_tokens(documents) for lm in (both.directed("forward"), both.backward)]
    encoder = DocumentEncoder(both, "mean")
    assert encoder.width == 24
    np.testing.assert_array_equal(encoder.encode_tokens(documents), np.concatenate(arrays, axis=1))
    assert not np.array_equal(*arrays)


def test_streamed_vectors_are_the_same(both, documents):
    encoder = DocumentEncoder(both, "concat")
    arrays = encoder.encode_tokens(documents, pooling=list(CONCAT))
    seen = []
    for position, pooled in encoder.variant(slots=3, chunk_length=5).stream_tokens(iter(documents)):
        seen.append(position)
        for part in CONCAT:
            np.testing.assert_array_equal(pooled[part], arrays[part][position])
    assert sorted(seen) == list(range(len(documents)))


@pytest.mark.parametrize("layer", [-1, "all"])
def test_certified_in_every_batching(both, documents, layer):
    for lm in (both.backward, both):
        report = certify(DocumentEncoder(lm, layer=layer), documents[:8], configurations=5)
        assert report.bit_identical
        assert report.max_abs_diff_fastai < 1e-6


def test_texts_and_embeddings_on_disk(both, tiny_corpus, tmp_path):
    encoder = DocumentEncoder(both, "concat")
    store = embed_corpus(tiny_corpus, encoder, tmp_path, shard_size=40, progress=False)
    assert store.width == 24
    np.testing.assert_array_equal(store.to_numpy("concat"), encoder.encode(tiny_corpus.texts))


def test_round_trip_of_both_directions(both, documents, tmp_path):
    both.save(tmp_path / "both")
    loaded = LanguageModel.load(tmp_path / "both")
    assert loaded.fingerprint == both.fingerprint
    assert (loaded.direction, loaded.backward.direction) == ("forward", "backward")
    np.testing.assert_array_equal(
        DocumentEncoder(loaded).encode_tokens(documents), DocumentEncoder(both).encode_tokens(documents)
    )
    (tmp_path / "both" / "backward" / "vocab.json").write_text("[]")
    with pytest.raises(InputError, match="torn or altered"):
        LanguageModel.load(tmp_path / "both")


def test_another_backward_half_is_refused(both, tmp_path):
    both.save(tmp_path / "both")
    path = tmp_path / "both" / "backward" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "card": {"other": 1}}))
    with pytest.raises(InputError, match=r"backward/config\.json is torn or altered"):
        LanguageModel.load(tmp_path / "both")


def test_old_folders_say_their_direction_in_the_card(both, tmp_path):
    for direction in ("forward", "backward"):
        model = LanguageModel(both.module, both.vocab, card={"settings": {"direction": direction}})
        path = model.save(tmp_path / direction) / "config.json"
        config = json.loads(path.read_text())
        del config["direction"]
        path.write_text(json.dumps(config))
        assert LanguageModel.load(path.parent).direction == direction


def test_only_models_of_the_same_tokens_go_together(both):
    with pytest.raises(InputError, match="forward and forward"):
        both.with_backward(both.directed("forward"))
    shorter = LanguageModel.new(both.vocab[:-1], {"emb_sz": 12, "n_hid": 20, "n_layers": 2}, direction="backward")
    with pytest.raises(InputError, match="different tokens"):
        both.with_backward(shorter)
    with pytest.raises(InputError, match="reads forward only"):
        both.directed("forward").directed("backward")
    with pytest.raises(InputError, match="'sideways'"):
        LanguageModel(both.module, both.vocab, direction="sideways")


def test_fingerprints_tell_directions_apart(both):
    turned = LanguageModel(both.module, both.vocab, direction="backward")
    alone = both.directed("forward")
    assert len({turned.fingerprint, alone.fingerprint, both.fingerprint, both.backward.fingerprint}) == 4


def test_the_stream_is_fastais_stream_of_reversed_documents(tiny_tokens):
    """Whole documents turned round, xxbos last, so that it still marks every border."""
    turned = tiny_tokens.reversed()
    items = [TensorBase(np.array(tiny_tokens[i]).astype(np.int64)).flip(0) for i in range(len(tiny_tokens))]
    theirs = list(LMDataLoader(items, lens=[len(item) for item in items], bs=3, seq_len=7))
    ours = list(StreamLoader(turned, batch_size=3, window=7, shuffle=False))
    assert len(ours) == len(theirs)
    for (x, y, _), (their_x, their_y) in zip(ours, theirs, strict=True):
        assert torch.equal(x, torch.as_tensor(their_x))
        assert torch.equal(y, torch.as_tensor(their_y))


def test_reversing_twice_gives_the_documents_back():
    corpus = TokenizedCorpus(np.arange(6, dtype=np.int32), np.array([0, 3, 3, 6]), list("abcdef"))
    assert [list(document) for document in corpus.reversed()] == [[2, 1, 0], [], [5, 4, 3]]
    np.testing.assert_array_equal(corpus.reversed().reversed().ids, corpus.ids)
