"""mteb's own tasks on our encoder, on a local corpus, without a network; their scores are those of our evaluations."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before mteb is imported: it asks the hub for nothing
os.environ["HF_DATASETS_OFFLINE"] = "1"

import numpy as np
import pytest
import torch

from conftest import make_texts
from unpadded.common.errors import InputError
from unpadded.corpus.corpus import Corpus
from unpadded.encoding.encoder import DocumentEncoder
from unpadded.evaluation.clustering.kmeans import evaluate_clustering
from unpadded.evaluation.ranking.ranking import rank_judged
from unpadded.model.language_model import LanguageModel
from vector_tools import lm as representation

pytest.importorskip("mteb", reason="mteb is not installed: pip install 'unpadded[mteb]'")

from datasets import Dataset, DatasetDict
from mteb.models import EncoderProtocol
from mteb.tasks.clustering.eng.twenty_newsgroups_clustering import TwentyNewsgroupsClusteringFast
from mteb.tasks.retrieval.eng.nf_corpus_retrieval import NFCorpus

from unpadded.encoding.mteb import UnpaddedEncoder

pytestmark = pytest.mark.slow

QUERIES, QUERY_TOPICS = make_texts(12, seed=1)


class LocalClustering(TwentyNewsgroupsClusteringFast):
    """mteb's clustering of 20 Newsgroups, with another corpus, all of whose documents are embedded."""

    max_fraction_of_documents_to_embed = None
    max_documents_per_cluster = 300

    def __init__(self, corpus):
        super().__init__()
        self.corpus = corpus

    def load_data(self, **kwargs):
        test = Dataset.from_dict({"sentences": self.corpus.texts, "labels": self.corpus.labels})
        self.dataset, self.data_loaded = DatasetDict(test=test), True


class LocalRetrieval(NFCorpus):
    """mteb's NFCorpus with another corpus: each query wants the documents of its topic."""

    def __init__(self, corpus):
        super().__init__()
        self.documents = corpus

    def load_data(self, **kwargs):
        split = {
            "corpus": Dataset.from_dict({"id": self.documents.ids, "text": self.documents.texts}),
            "queries": Dataset.from_dict({"id": list(relevance(self.documents)), "text": QUERIES}),
            "relevant_docs": relevance(self.documents),
            "top_ranked": None,
        }
        self.dataset, self.data_loaded = {"default": {"test": split}}, True


def relevance(corpus) -> dict[str, dict[str, int]]:
    """Judgments: query id -> ids of the documents of its topic."""
    by_topic = {topic: [] for topic in corpus.topics}
    for name, label in zip(corpus.ids, corpus.labels, strict=True):
        by_topic[label].append(name)
    return {f"q{i}": dict.fromkeys(by_topic[topic], 1) for i, topic in enumerate(QUERY_TOPICS)}


@pytest.fixture(scope="module")
def encoder(tiny_model):
    return UnpaddedEncoder(tiny_model, pooling="mean")


@pytest.fixture(scope="module")
def telling_encoder(tiny_tokens):
    """A model whose random weights are large enough for its states to tell the topics apart, somewhat."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        lm = LanguageModel.new(tiny_tokens.build_vocab(min_count=1), {"emb_sz": 24, "n_hid": 24, "n_layers": 1})
        with torch.no_grad():
            lm.awd_lstm.encoder.weight.mul_(12)
    return UnpaddedEncoder(lm, pooling="mean")


def test_it_follows_mtebs_protocol_and_says_what_it_is(encoder, tiny_model):
    assert isinstance(encoder, EncoderProtocol)
    meta = encoder.mteb_model_meta
    assert meta.revision == tiny_model.fingerprint
    assert meta.embed_dim == encoder.model.width
    assert meta.experiment_kwargs == {"pooling": "mean", "precision": "float32"}
    assert meta.n_parameters == sum(p.numel() for p in tiny_model.awd_lstm.parameters())


def test_a_folder_is_loaded_and_its_revision_checked(tiny_model, tmp_path):
    tiny_model.save(tmp_path / "model")
    assert UnpaddedEncoder(tmp_path / "model", tiny_model.fingerprint).mteb_model_meta.name == "unpadded/model"
    with pytest.raises(InputError, match="leave it out or load that one"):
        UnpaddedEncoder(tmp_path / "model", "another")


def test_batches_are_joined_and_batches_without_text_refused(encoder, tiny_corpus):
    texts = tiny_corpus.texts[:5]
    vectors = encoder.encode([{"text": texts[:2]}, {"text": texts[2:]}], batch_size=2)
    np.testing.assert_array_equal(vectors, encoder.model.encode(texts))
    with pytest.raises(InputError, match="holds image but no text"):
        encoder.encode([{"image": [0]}])


def test_mtebs_clustering_finds_our_v_measure_within_its_spread(telling_encoder):
    texts, labels = make_texts(300)
    found = LocalClustering(Corpus.from_texts(texts, labels)).evaluate(telling_encoder, "test", encode_kwargs={})
    found = found["default"]
    ours = evaluate_clustering(telling_encoder.model.encode(texts), labels)
    value, seeds, documents = ours.spreads().loc["v_measure"]
    assert 0.05 < value < 0.95  # neither chance nor certainty, where agreement would mean little
    spread = np.sqrt(seeds**2 + documents**2 + found["v_measure_std"] ** 2)
    assert abs(found["v_measure"] - value) < 1.96 * spread


def test_mtebs_retrieval_finds_our_scores(telling_encoder, tiny_corpus):
    found = LocalRetrieval(tiny_corpus).evaluate(telling_encoder, "test", encode_kwargs={})["default"]
    vectors = DocumentEncoder(telling_encoder.model.lm, "mean")
    judged = relevance(tiny_corpus)
    scores, _ = rank_judged(
        [representation(vectors.encode(tiny_corpus.texts))],
        [representation(vectors.encode(QUERIES))],
        corpus_name="tiny",
        ids=tiny_corpus.ids,
        query_ids=list(judged),
        relevance=judged,
    )
    ours = scores.set_index("metric")["value"]
    for theirs, metric in (("ndcg_at_10", "nDCG@10"), ("map_at_1000", "AP"), ("precision_at_10", "P@10")):
        assert found[theirs] == pytest.approx(ours[metric], abs=2e-4)  # rounded; equal cosines may be ordered otherwise
