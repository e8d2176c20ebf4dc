"""`embed_corpus`: what lies in the folder is what the encoder gives, however it is cut and however often it is asked."""

import argparse
import weakref

import numpy as np
import pandas as pd
import pytest
import torch

from unpadded.cli.embed import add_embed_parser, run_embed
from unpadded.common.errors import InputError
from unpadded.corpus.corpus import Corpus
from unpadded.embeddings import embedding as embedding_run
from unpadded.embeddings.embedding import embed_corpus
from unpadded.embeddings.progress import EmbeddingProgress
from unpadded.embeddings.store import Embeddings
from unpadded.encoding.encoder import DocumentEncoder
from unpadded.model.language_model import LanguageModel

SPECIAL = ["xxunk", "xxpad", "xxbos", "xxeos", "xxfld", "xxrep", "xxwrep", "xxup", "xxmaj"]
WORDS = ["the", "cat", "sat", "on", "a", "mat", "dog", "ran", "far", "away", "and", "slept"]


@pytest.fixture(scope="module")
def lm():
    torch.manual_seed(3)
    return LanguageModel.new(SPECIAL + WORDS, {"emb_sz": 6, "n_hid": 8, "n_layers": 2})


@pytest.fixture(scope="module")
def corpus():
    random = np.random.default_rng(5)
    texts = [" ".join(random.choice(WORDS, size=n)) for n in random.integers(1, 40, size=23)]
    return Corpus("tiny", [f"document {i} ü" for i in range(23)], texts)


@pytest.fixture(scope="module")
def encoder(lm):
    return DocumentEncoder(lm, "concat")


def array_files(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.npy")}


def test_the_folder_holds_what_the_encoder_gives(corpus, encoder, tmp_path):
    embeddings = embed_corpus(corpus, encoder, tmp_path / "new" / "folder", shard_size=5)
    assert embeddings.ids == corpus.ids
    assert embeddings.to_numpy().tobytes() == encoder.encode(corpus.texts).tobytes()
    token_ids = encoder.lm.numericalize(corpus.texts)
    for pooling, vectors in encoder.encode_tokens(token_ids, pooling=["last", "mean", "max"]).items():
        assert embeddings.to_numpy(pooling).tobytes() == vectors.tobytes()
    embeddings.verify()


@pytest.mark.parametrize("shard_size", [1, 7, 1000])
def test_the_shard_size_changes_no_vector(corpus, encoder, tmp_path, shard_size):
    embed_corpus(corpus, encoder, tmp_path / "a", shard_size=4)
    embed_corpus(corpus, encoder, tmp_path / "b", shard_size=shard_size)
    assert array_files(tmp_path / "a") == array_files(tmp_path / "b")


def test_the_manifest_says_what_was_embedded_and_how(corpus, encoder, tmp_path):
    manifest = embed_corpus(corpus, encoder, tmp_path, shard_size=10).manifest
    settings = manifest["settings"]
    assert (settings["model"], settings["corpus"]) == (encoder.lm.fingerprint, corpus.fingerprint)
    assert (settings["precision"], settings["poolings"]) == ("float32", ["last", "mean", "max"])
    assert (manifest["documents"], manifest["width"]) == (23, 6)
    assert manifest["tokens"] == sum(map(len, encoder.lm.numericalize(corpus.texts)))
    assert manifest["environment"]["torch"] == torch.__version__
    assert manifest["certificate"]["bit_identical"] is True
    assert manifest["certificate"]["max_abs_diff"] == 0
    assert manifest["certificate"]["max_abs_diff_fastai"] <= 1e-6
    assert manifest["certificate"]["rows"]
    timings = pd.read_csv(tmp_path / "timings.csv")
    assert timings["documents"].tolist() == [10, 10, 3]
    assert timings["tokens"].sum() == manifest["tokens"]


def test_weighted_means_of_other_weights_are_refused(corpus, lm, tmp_path):
    weights = np.linspace(0.5, 2.0, len(lm.vocab))
    encoder = DocumentEncoder(lm, pooling="weighted_mean", token_weights=weights)
    embeddings = embed_corpus(corpus, encoder, tmp_path, shard_size=5)
    np.testing.assert_array_equal(embeddings.to_numpy("weighted_mean"), encoder.encode(corpus.texts))
    other = DocumentEncoder(lm, pooling="weighted_mean", token_weights=weights[::-1])
    with pytest.raises(InputError, match="another token weights"):
        embed_corpus(corpus, other, tmp_path, shard_size=5)


@pytest.mark.parametrize("asked", ["median", ["mean", "median"], []])
def test_unknown_poolings_are_refused(asked, corpus, encoder, tmp_path):
    with pytest.raises(InputError, match="give last, mean, max"):
        embed_corpus(corpus, encoder, tmp_path / "out", pooling=asked)
    assert not (tmp_path / "out").exists()


def test_only_what_is_asked_for_is_stored(corpus, encoder, tmp_path):
    embeddings = embed_corpus(corpus, encoder, tmp_path, pooling="mean")
    assert sorted(path.name for path in tmp_path.glob("*.npy")) == ["beginnings.npy", "mean.npy"]
    mean = encoder.encode_tokens(encoder.lm.numericalize(corpus.texts), pooling="mean")
    np.testing.assert_array_equal(embeddings["mean"], mean)


def test_a_finished_set_is_not_computed_again(corpus, encoder, tmp_path, monkeypatch):
    embed_corpus(corpus, encoder, tmp_path, shard_size=5)
    calls = []
    monkeypatch.setattr(DocumentEncoder, "stream_tokens", lambda self, ids: calls.append(ids))
    assert len(embed_corpus(corpus, encoder, tmp_path, shard_size=5)) == 23
    assert not calls


def test_only_the_damaged_shard_is_computed_again(corpus, encoder, tmp_path):
    embed_corpus(corpus, encoder, tmp_path, shard_size=5)
    whole = array_files(tmp_path)
    content = bytearray(whole["mean.npy"])
    content[-1] ^= 1
    (tmp_path / "mean.npy").write_bytes(content)
    embed_corpus(corpus, encoder, tmp_path, shard_size=5)
    assert array_files(tmp_path) == whole
    assert pd.read_csv(tmp_path / "timings.csv")["shard"].tolist() == [0, 1, 2, 3, 4, 4]


def test_other_model_corpus_pooling_and_precision_are_refused(corpus, encoder, lm, tmp_path):
    embed_corpus(corpus, encoder, tmp_path)
    other_lm = LanguageModel.new(lm.vocab, {"emb_sz": 6, "n_hid": 8, "n_layers": 2})
    other_corpus = Corpus("tiny", corpus.ids, [*corpus.texts[:-1], "the cat"])
    jobs = {
        "another model": (corpus, DocumentEncoder(other_lm, "concat"), {}),
        "another corpus": (other_corpus, encoder, {}),
        "another pooling": (corpus, encoder, {"pooling": "mean"}),
        "another precision": (corpus, DocumentEncoder(lm, "concat", precision="bfloat16"), {}),
        "another layer": (corpus, DocumentEncoder(lm, "concat", layer=0), {}),
        "another shard size": (corpus, encoder, {"shard_size": 3}),
    }
    before = array_files(tmp_path)
    for said, (its_corpus, its_encoder, options) in jobs.items():
        with pytest.raises(InputError, match=said):
            embed_corpus(its_corpus, its_encoder, tmp_path, **options)
    assert array_files(tmp_path) == before


@pytest.mark.parametrize("shard_size", [0, -1])
def test_a_shard_holds_documents(corpus, encoder, tmp_path, shard_size):
    with pytest.raises(InputError, match="at least one document"):
        embed_corpus(corpus, encoder, tmp_path, shard_size=shard_size)


def test_tokens_of_one_shard_only_are_held(corpus, encoder, tmp_path, monkeypatch):
    numericalize, held = LanguageModel.numericalize, []

    def watched(self, texts, **options):
        assert len(texts) <= 5
        assert sum(reference() is not None for reference in held) <= 1  # the shard before, until its name is taken
        token_ids = [ids.copy() for ids in numericalize(self, texts, **options)]
        held[:] = [*(r for r in held if r() is not None), weakref.ref(token_ids[0])]
        return token_ids

    monkeypatch.setattr(LanguageModel, "numericalize", watched)
    monkeypatch.setattr(embedding_run, "SAMPLE", 5)
    embed_corpus(corpus, encoder, tmp_path, shard_size=5)
    assert held


def test_a_tokenizer_that_fails_is_heard(corpus, encoder, tmp_path, monkeypatch):
    def fail(self, texts, n_workers):
        raise InputError("no tokenizer")

    monkeypatch.setattr(LanguageModel, "numericalize", fail)
    with pytest.raises(InputError, match="no tokenizer"):
        embed_corpus(corpus, encoder, tmp_path)


def test_progress_shows_rates_and_time_left(capsys):
    progress = EmbeddingProgress(2, show=True)
    progress.update(30)
    assert "1/2 documents" in str(progress)
    progress.update(10)
    progress.close()
    line = capsys.readouterr().err.replace(",", "")
    assert "2/2 documents" in line
    assert "documents/s" in line
    assert "tokens/s" in line
    assert "00:00 left" in line
    assert progress.tokens == 40


def test_progress_is_quiet_where_nobody_watches(corpus, encoder, tmp_path, capsys):
    embed_corpus(corpus, encoder, tmp_path)
    assert capsys.readouterr() == ("", "")


@pytest.fixture(scope="module")
def files(lm, corpus, tmp_path_factory):
    """A model and a corpus on disk, as the command line takes them."""
    folder = tmp_path_factory.mktemp("files")
    lm.save(folder / "model")
    pd.DataFrame({"key": corpus.ids, "body": corpus.texts}).to_csv(folder / "corpus.csv", index=False)
    return folder


def command(files, output, *more) -> int:
    parser = argparse.ArgumentParser()
    add_embed_parser(parser.add_subparsers())
    given = ["--model", files / "model", "--input", files / "corpus.csv", "--output", output]
    given += ["--text", "body", "--id", "key", "--threads", "1", "--shard-size", "6", *more]
    return run_embed(parser.parse_args(["embed", *map(str, given)]))


def test_the_command_line_embeds_and_says_so(files, corpus, encoder, tmp_path, capsys):
    assert command(files, tmp_path) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.count("\n") == 1
    for part in ("23 documents", "tokens/s", str(tmp_path), "max difference", "bit-identical yes"):
        assert part in out
    embeddings = Embeddings.open(tmp_path, verify=True)
    assert embeddings.ids == corpus.ids
    np.testing.assert_array_equal(embeddings.to_numpy(), encoder.encode(corpus.texts))


def test_the_command_line_takes_several_poolings_a_layer_and_slots(files, lm, corpus, tmp_path):
    assert command(files, tmp_path, "--pooling", "max, mean", "--layer", "0", "--slots", "3") == 0
    embeddings = Embeddings.open(tmp_path)
    assert embeddings.poolings == ("mean", "max")
    assert embeddings.width == 8
    first = DocumentEncoder(lm, pooling="mean", layer=0).encode(corpus.texts)
    np.testing.assert_array_equal(embeddings["mean"], first)


def test_an_output_folder_with_only_what_systems_leave_is_empty(files, tmp_path):
    (tmp_path / "lost+found").mkdir()
    for name in (".DS_Store", "Thumbs.db", "._x"):
        (tmp_path / name).write_bytes(b"x")
    assert command(files, tmp_path) == 0
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("x")
    with pytest.raises(InputError, match=r"'mine.txt' is one"):
        command(files, tmp_path / "other")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--model", "missing"], "missing"),
        (["--input", "missing.csv"], "missing.csv"),
        (["--pooling", "median"], "'median' is not known"),
        (["--layer", "2"], "layer"),
    ],
)
def test_wrong_input_is_an_input_error(files, tmp_path, more, said):
    with pytest.raises(InputError, match=said) as caught:
        command(files, tmp_path / "out", *more)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_wrong_numbers_are_refused_by_the_parser(files, tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        command(files, tmp_path, "--shard-size", "0")
    assert caught.value.code == 2
    assert "invalid positive number value: '0'" in capsys.readouterr().err


def test_a_certificate_of_the_same_encoder_is_taken_over(tmp_path, corpus, encoder, monkeypatch):
    first = embed_corpus(corpus, encoder, tmp_path / "first")
    monkeypatch.setattr("unpadded.embeddings.embedding.certify", None)  # so it cannot be made again
    second = embed_corpus(corpus, encoder, tmp_path / "second", certificate=first.manifest["certificate"])
    assert second.manifest["certificate"] == first.manifest["certificate"]
    np.testing.assert_array_equal(second.to_numpy(), first.to_numpy())
