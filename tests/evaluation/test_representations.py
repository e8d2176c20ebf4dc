"""What a run keeps for its evaluations: made once, referred to, chosen by name, post-processed on training documents."""

import json
from dataclasses import replace

import numpy as np
import pytest

from conftest import make_texts
from unpadded.common.errors import InputError
from unpadded.common.names import CONCAT, POOLINGS
from unpadded.common.wording import listed
from unpadded.corpus.corpus import Corpus
from unpadded.embeddings.store import Embeddings
from unpadded.encoding.encoder import DocumentEncoder
from unpadded.evaluation.choice.pieces import pieces_of
from unpadded.evaluation.classification import training_documents
from unpadded.evaluation.extraction import extract
from unpadded.evaluation.postprocess import Whitener
from unpadded.evaluation.reading import tokenized, validation_tokens
from unpadded.evaluation.representations import chosen, compared, load, save, with_topics
from unpadded.evaluation.scores import Representation, told_apart
from unpadded.tokens import idf_weights, mark_ids
from unpadded.tokens.tokenized import tokenize
from vector_tools import lm, noise


@pytest.fixture(scope="module")
def judged_corpus(tiny_corpus) -> Corpus:
    """The tiny corpus with two queries."""
    queries = dict(zip(("q1", "q2"), make_texts(2, seed=5)[0], strict=True))
    relevance = {"q1": {"d0": 1}, "q2": {"d1": 1}}
    return Corpus(
        "judged",
        tiny_corpus.ids,
        tiny_corpus.texts,
        labels=tiny_corpus.labels,
        split=tiny_corpus.split,
        queries=queries,
        relevance=relevance,
    )


@pytest.fixture(scope="module")
def run(judged_corpus, tiny_model, tmp_path_factory):
    """A run's folder with the corpus extracted."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNPADDED_DATA", str(folder / "data"))
        trained_on = [judged_corpus.ids[i] for i in training_documents(judged_corpus)]
        extract(judged_corpus, DocumentEncoder(tiny_model, "concat"), folder, trained_on=trained_on)
    return folder


def by_name(representations):
    return {representation.name: representation for representation in representations}


def test_one_pass_gives_every_pooling_of_documents_and_queries(run, judged_corpus, tiny_model, monkeypatch, tmp_path):
    monkeypatch.setenv("UNPADDED_DATA", str(tmp_path))
    found = by_name(load(run / "representations" / "judged"))
    assert list(found)[: len(POOLINGS) + 1] == [*POOLINGS, "mean + idf"]
    texts = [*judged_corpus.texts, *judged_corpus.queries.values()]
    expected = DocumentEncoder(tiny_model).encode_tokens(tiny_model.numericalize(texts), pooling=list(CONCAT))
    for pooling in CONCAT:
        np.testing.assert_array_equal(found[pooling].vectors[:92], expected[pooling])
    np.testing.assert_array_equal(found["concat"].vectors[:92], np.hstack([expected[p] for p in CONCAT]))
    pieces = DocumentEncoder(tiny_model, "max").encode(pieces_of(judged_corpus).texts)
    np.testing.assert_array_equal(found["max"].vectors[92:], pieces)


def test_the_idf_weighted_mean_learns_its_weights_from_training_documents_and_says_so(
    run, judged_corpus, tiny_model, monkeypatch, tmp_path
):
    monkeypatch.setenv("UNPADDED_DATA", str(tmp_path))
    found = by_name(load(run / "representations" / "judged"))["mean + idf"]
    train = training_documents(judged_corpus)
    tokens = tokenized(judged_corpus, tiny_model.tokenizer).with_vocab(tiny_model.vocab)
    documents = [tokens[i] for i in range(len(tokens))]
    vocab = tiny_model.vocab
    weights = idf_weights([documents[i] for i in train], len(vocab), marks=mark_ids(vocab))
    encoder = DocumentEncoder(tiny_model, "weighted_mean", token_weights=weights)
    np.testing.assert_array_equal(found.vectors[:90], encoder.encode_tokens(documents))
    np.testing.assert_array_equal(found.vectors[90:92], encoder.encode(list(judged_corpus.queries.values())))
    ids = frozenset(judged_corpus.ids[i] for i in train)
    assert {record.fitted: record.ids for record in found.fitted} == {"language model": ids, "idf weights": ids}


def test_the_models_vectors_lie_in_the_store_alone(run):
    folder = run / "representations" / "judged"
    index = json.loads((folder / "index.json").read_text())
    of_model = [entry for entry in index["representations"] if entry["method"] == "lm"]
    assert len(of_model) == len(POOLINGS) + 1
    assert all("file" not in entry and len(entry["stores"]) == 3 for entry in of_model)
    assert all(str(run) not in store for entry in of_model for store in entry["stores"])
    assert not any("mean" in path.name for path in folder.glob("*.npy"))
    assert set(Embeddings.open(run / "embeddings" / "judged").poolings) == {*POOLINGS, "weighted_mean"}


def test_compared_gives_documents_or_documents_and_queries_after_each_step(run, judged_corpus):
    made = by_name(compared(judged_corpus, run, poolings="mean,lsa", postprocesses="l2,idf"))
    assert list(made) == ["mean", "mean + l2", "mean + idf", "lsa"]
    assert all(len(representation.vectors) == 90 for representation in made.values())
    np.testing.assert_allclose(np.linalg.norm(made["mean + l2"].vectors, axis=1), 1, rtol=1e-5)
    both = by_name(compared(judged_corpus, run, poolings="mean", postprocesses="whiten", queries=True))
    assert list(both) == ["mean", "mean + whiten"]
    assert len(both["mean + whiten"].vectors) == 92
    seen = {record.fitted: record.ids for record in both["mean + whiten"].fitted}
    assert seen["whiten"] == {judged_corpus.ids[i] for i in training_documents(judged_corpus)}


def test_vectors_of_queries_in_another_order_are_refused(run, judged_corpus):
    turned = replace(judged_corpus, queries=dict(reversed(judged_corpus.queries.items())))
    for corpus in (turned, judged_corpus.select(range(10))):
        with pytest.raises(InputError, match="in another order: run 02_extract_embeddings again"):
            compared(corpus, run, queries=True)


def test_evaluations_share_what_post_processings_learnt(run, judged_corpus, monkeypatch):
    first = {name: r.vectors for name, r in by_name(compared(judged_corpus, run, poolings="mean,max")).items()}
    monkeypatch.setattr(Whitener, "fit", lambda *_: pytest.fail("fitted a second time"))
    second = compared(judged_corpus, run, poolings="max,mean", postprocesses="whiten", queries=True)
    whitened = [r for r in second if r.postprocess == "whiten"]
    assert len(whitened) == 2
    for representation in whitened:
        np.testing.assert_array_equal(representation.vectors[:90], first[representation.name])


def test_everything_is_compared_where_nothing_is_chosen(run, judged_corpus):
    names = [representation.name for representation in compared(judged_corpus, run)]
    assert len(names) == len(set(names))
    assert {f"{p} + {s}" for p in POOLINGS for s in ("l2", "standardize", "remove_top", "whiten")} < set(names)
    assert {"random", "tfidf", "lsa", "input_embeddings", "input_embeddings_idf", "word_vectors", "fasttext"} < set(
        names
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"poolings": "meen"}, r"'meen' is no pooling or baseline \(did you mean 'mean'\?\)"),
        ({"postprocesses": "none,whitened"}, r"'whitened' is no post-processing \(did you mean 'whiten'\?\)"),
        ({"poolings": "bm25"}, "leaves nothing to compare"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(options, message):
    with pytest.raises(InputError, match=message):
        chosen([lm(noise(3))], **options)


def test_a_list_is_read_in_the_order_that_is_known():
    assert listed(" c, a ", ["a", "b", "c"], what="letter") == ["a", "c"]
    assert listed("", ["a", "b"], what="letter") == ["a", "b"]


def test_a_folder_that_is_not_whole_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no whole set of representations"):
        load(tmp_path)
    save([lm(noise(3))], tmp_path / "set")
    (tmp_path / "set" / "00_mean.npy").unlink()
    with pytest.raises(InputError, match="run 02_extract_embeddings"):
        load(tmp_path / "set")


def test_the_validation_of_the_model_is_the_split_of_that_name():
    texts = [f"text number {i} of a few words" for i in range(12)]
    split = ["train", "valid", "test"] * 4
    corpus = Corpus("parts", [str(i) for i in range(12)], texts, split=split)
    tokens = tokenize(texts)
    valid = validation_tokens(corpus, tokens)
    expected = [tokens[i].tolist() for i in range(12) if split[i] == "valid"]
    assert [valid[i].tolist() for i in range(len(valid))] == expected
    assert validation_tokens(replace(corpus, split=None), tokens) is None
    assert validation_tokens(replace(corpus, split=["train"] * 12), tokens) is None


def test_only_documents_with_a_topic_and_vectors_that_differ_are_compared():
    corpus = Corpus("some", list("abcd"), list("wxyz"), labels=["x", None, "y", "x"])
    vectors = np.arange(8.0).reshape(4, 2)
    some, (rows,) = with_topics(corpus, [Representation("lm", "mean", "none", vectors)])
    assert (some.ids, some.labels) == (list("acd"), ["x", "y", "x"])
    np.testing.assert_array_equal(rows.vectors, vectors[[0, 2, 3]])
    whole = some.labelled()
    assert whole is some
    same = Representation("same", "", "none", np.ones((4, 2)))
    kept, said = told_apart([same, Representation("lm", "mean", "none", vectors)], 4)
    assert [one.name for one in kept] == ["mean"]
    assert said == ["same: every document has the same vector, so there is nothing to score; check the encoder."]
