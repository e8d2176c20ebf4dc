"""Corpora as people bring them, through the notebooks: what can be measured is, and the rest is left out with its reason."""

import json
import os
import random
from pathlib import Path

import pytest

from conftest import TOPICS
from notebook_cells import run_cells
from unpadded.report.plots.style import as_drawn
from unpadded.runs.run import CorpusChoice, Run

NAMES = list(TOPICS)
TOPIC_NAMES = ["$$ $0_$50 a^b_{", "_café 😀", "رعب " + "x" * 200]  # in place of space, food and sport
MEASURED = ("06_clustering", "07_ranking", "08_classification")
STUDIES = ("03", "04", "05", "09")  # which ask the same of a corpus, and take their time
SMALL = {"02_extract_embeddings": {"map_documents": 40}, "06_clustering": {"n_seeds": 2}}
FEW = {"baselines": "random,tfidf,lsa"}  # where the texts are as anybody's, and what is odd is beside them


def texts_of(n: int, longest: int = 20) -> list[str]:
    """`n` texts, of the topics in turn."""
    rng = random.Random(0)
    words = [TOPICS[name] + "the of and a to in is it was for".split() for name in NAMES]
    return [" ".join(rng.choices(words[i % 3], k=rng.randint(5, longest))) for i in range(n)]


def write(path: Path, content: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding=encoding)
    return path


def fastais_folder(folder: Path) -> CorpusChoice:
    for i, text in enumerate(texts_of(75)):
        part = "unsup" if i % 5 == 4 else f"{('Train', 'valid')[i % 5 == 3]}/{NAMES[i % 3]}"
        write(folder / "c" / part / f"{i}.txt", text)
    return CorpusChoice(str(folder / "c"))


def rare_topics(folder: Path) -> CorpusChoice:
    rows = [
        f"{text};{NAMES[i % 3] if i % 10 else ''};{('train', 'eval')[i % 4 == 0]}"
        for i, text in enumerate(texts_of(60))
    ]
    rows += ["é bread;in the test alone;eval", "a match;alone;train", ";;"]
    return CorpusChoice(str(write(folder / "c.csv", "\n".join(["text;label;split", *rows]), "cp1252")))


def odd_names(folder: Path) -> CorpusChoice:
    rows = [json.dumps({"text": text, "label": TOPIC_NAMES[i % 3]}) for i, text in enumerate(texts_of(45))]
    return CorpusChoice(str(write(folder / "_$c^{.jsonl", "\n".join(rows))))


def no_heading(folder: Path) -> CorpusChoice:
    rows = [f'{NAMES[i % 3]}\t"{text}, he said" and left' for i, text in enumerate(texts_of(45))]
    return CorpusChoice(str(write(folder / "c.tsv", "\n".join(rows))), text="2", label="1", reading={"heading": False})


def trecs_judgments(folder: Path) -> CorpusChoice:
    texts = texts_of(600)
    write(
        folder / "c" / "corpus.jsonl", "\n".join(json.dumps({"_id": f"d{i}", "text": t}) for i, t in enumerate(texts))
    )
    write(folder / "c" / "queries.jsonl", "\n".join(json.dumps({"_id": f"q{i}", "text": texts[i]}) for i in range(2)))
    write(folder / "c" / "qrels" / "test.tsv", "\n".join(f"q{i % 2} 0 d{i} 1" for i in range(700)))
    return CorpusChoice(str(folder / "c"), n_documents=60)


def names_that_are_not_utf8(folder: Path) -> CorpusChoice:
    for i, text in enumerate(texts_of(45)):
        path = os.fsdecode(os.fsencode(folder) + b"/c/caf\xe9%d/\xff%d.txt" % (i % 3, i))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(path).write_text(text)
    return CorpusChoice(str(folder / "c"))


def many_topics(folder: Path) -> CorpusChoice:
    rows = [f"{text},topic {i % 250}" for i, text in enumerate(texts_of(1000, longest=8))]
    return CorpusChoice(str(write(folder / "c.csv", "\n".join(["text,label", *rows]))), n_documents=60)


def three_documents(folder: Path) -> CorpusChoice:
    rows = [f"{text},{NAMES[i]}" for i, text in enumerate(texts_of(3))]
    return CorpusChoice(str(write(folder / "c.csv", "\n".join(["text,label", *rows]), "utf-16")))


def the_same_text(folder: Path) -> CorpusChoice:
    rows = [f"the same text each time,{NAMES[i % 3]}" for i in range(120)]
    return CorpusChoice(str(write(folder / "c.csv", "\n".join(["text,label", *rows]))))


def without_labels(folder: Path) -> CorpusChoice:
    rows = [f"{text}|{NAMES[i % 3]}" for i, text in enumerate(texts_of(45))]
    return CorpusChoice(str(write(folder / "c.csv", "\n".join(["text|label", *rows]))), label="-")


SHAPES = {
    fastais_folder: MEASURED,
    rare_topics: MEASURED,
    odd_names: MEASURED,
    no_heading: MEASURED,
    trecs_judgments: ("07_ranking",),
    names_that_are_not_utf8: MEASURED,
    many_topics: MEASURED,
    three_documents: (),
    the_same_text: (),
    without_labels: (),
}
PLAIN_TEXTS = (fastais_folder, odd_names, no_heading, names_that_are_not_utf8)


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_a_corpus_of_any_shape_is_measured_as_far_as_it_can_be(tmp_path, shape):
    choice = shape(tmp_path)
    run = Run(tmp_path / "run", choice, "smoke")
    small = SMALL | ({"02_extract_embeddings": SMALL["02_extract_embeddings"] | FEW} if shape in PLAIN_TEXTS else {})
    said = run_cells(run.folder, choice, small, but=STUDIES)
    assert tuple(said)[3:] == SHAPES[shape]
    for name in MEASURED:
        assert (run.folder / "scores" / f"{name}.csv").exists() == (name in SHAPES[shape])
    reasons = run.left_out(run.choice.load())
    assert all("the corpus has no" in reasons[name] for name in set(MEASURED) - set(SHAPES[shape]))
    CHECKS.get(shape, lambda said, run: None)(said, run)


def _rare(said: dict, run: Run) -> None:
    assert "3 documents without a topic are left out. 1 test documents are left out" in said["08_classification"]
    assert "c.csv is read as Windows-1252" in said["01_train_language_model"]
    assert "c.csv is read as separated by semicolons" in said["01_train_language_model"]


def _fastai(said: dict, run: Run) -> None:
    corpus = run.choice.load()
    assert {part: corpus.split.count(part) for part in set(corpus.split)} == {
        "train": 45,
        "valid": 15,
        "unlabelled": 15,
    }
    assert "the model reads 60 with" in said["01_train_language_model"]
    assert "60 training and 15 test documents" in said["08_classification"]


def _odd(said: dict, run: Run) -> None:
    assert [as_drawn(topic) for topic in TOPIC_NAMES][:2] == TOPIC_NAMES[:2]
    assert (run.folder / "figures" / "06 confusion.png").exists()


CHECKS = {rare_topics: _rare, fastais_folder: _fastai, odd_names: _odd}
