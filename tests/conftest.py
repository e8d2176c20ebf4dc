"""A tiny corpus and a tiny model, made once a session."""

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny tensors: threads only wait for each other

import numpy as np
import pytest
import torch
from hypothesis import settings

from smoke_run import finished_once, write_topics
from unpadded.corpus.corpus import Corpus
from unpadded.model.language_model import LanguageModel
from unpadded.runs import skip_uri_grammar
from unpadded.tokens.tokenized import tokenize

torch.set_num_threads(1)
skip_uri_grammar()  # for the tests that read notebooks, as the command line does

# The same examples every time, so that a failure is of the change at hand; `--hypothesis-profile=new_examples` draws new ones.
# No example has a deadline: on a busy machine any of them may take long.
settings.register_profile("same_examples", derandomize=True, deadline=None)
settings.register_profile("new_examples", deadline=None)
settings.load_profile("same_examples")


# The files that take minutes, longest first: begun last, one of them would keep one process busy while the others wait.
# Those that only read the shared run stand behind the one that makes it.
LONGEST = ["runs/test_runs", "test_any_corpus", "runs/test_sweep_faults", "runs/test_killed_runs", "test_browser"]
LONGEST += [
    "test_commands",
    "encoding/test_threads",
    "embeddings/test_embedding_cluster",
    "embeddings/test_embed_faults",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first; what there is within a file, and all others, stay in order."""
    places = {Path(__file__).parent / f"{name}.py": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(autouse=True)
def one_thread():
    """What a test sets, the next does not inherit: on a busy machine two threads wait for each other at every step."""
    yield
    torch.set_num_threads(1)


TOPICS = {
    "space": "rocket orbit launch moon satellite shuttle nasa engine".split(),
    "food": "bread butter cheese salt oven recipe flour sugar".split(),
    "sport": "goal match team player league coach score season".split(),
}


def make_texts(n: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """`n` texts whose words are drawn from one topic each, and the topics."""
    rng = np.random.default_rng(seed)
    labels = [list(TOPICS)[i % len(TOPICS)] for i in range(n)]
    common = "the of and a to in is it was for".split()
    texts = []
    for label in labels:
        words = rng.choice(TOPICS[label] + common, size=rng.integers(3, 40))
        texts.append(" ".join(words))
    return texts, labels


@pytest.fixture(scope="session")
def tiny_corpus() -> Corpus:
    texts, labels = make_texts(90)
    split = [("train", "test")[i // 3 % 3 == 0] for i in range(90)]
    return Corpus(name="tiny", ids=[f"d{i}" for i in range(90)], texts=texts, labels=labels, split=split)


@pytest.fixture(scope="session")
def tiny_tokens(tiny_corpus):
    return tokenize(tiny_corpus.texts)


@pytest.fixture(scope="session")
def tiny_model(tiny_tokens) -> LanguageModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        vocab = tiny_tokens.build_vocab(min_count=1)
        return LanguageModel.new(vocab, {"emb_sz": 12, "n_hid": 20, "n_layers": 2})


@pytest.fixture(scope="session")
def folders_corpus(tmp_path_factory) -> Path:
    """A folder of folders."""
    return write_topics(tmp_path_factory.mktemp("corpora") / "topics", *make_texts(120))


@pytest.fixture(scope="session")
def shared_run(folders_corpus, tmp_path_factory) -> Path:
    """An uninterrupted run about `folders_corpus`, to be looked at or copied."""
    base = tmp_path_factory.getbasetemp()
    return finished_once(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base, folders_corpus)
