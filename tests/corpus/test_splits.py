"""Splits under every usual name, in folders and columns; what is none is refused before anything runs."""

import pytest

from unpadded.common.errors import InputError
from unpadded.corpus.corpora import load_corpus
from unpadded.corpus.corpus import Corpus
from unpadded.corpus.splits import part_called


def folder_of(path, parts: dict[str, tuple[str, ...]]):
    """`parts`: split folder -> topic folders ("" for a file in the split folder itself), two files in each."""
    for part, topics in parts.items():
        for topic in topics:
            (path / part / topic).mkdir(parents=True, exist_ok=True)
            for n in (1, 2):
                (path / part / topic / f"{n}.txt").write_text(f"text {n} of {topic or 'none'} in {part}")
    return path


def column_of(path, values: list[str], labels: list[str] | None = None):
    rows = [
        f"text {i},{label},{value}" for i, (value, label) in enumerate(zip(values, labels or ["x"] * 99, strict=False))
    ]
    path.write_text("\n".join(["text,label,split", *rows]))
    return path


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("train", "train"), ("Training", "train"), ("20news-bydate-train", "train"), ("train_set", "train"),
        ("VALID", "valid"), ("validation", "valid"), ("val", "valid"), ("dev", "valid"), ("dev set", "valid"),
        ("Test", "test"), ("eval", "test"), ("evaluation", "test"), ("x.test", "test"),
        ("unsup", "unlabelled"), ("Unlabeled", "unlabelled"), ("unlabelled", "unlabelled"),
        ("trains", None), ("latest", None), ("device", None), ("arts", None), ("retrain", None),
    ],
)  # fmt: skip
def test_the_usual_names_mean_what_people_mean(name, part):
    assert part_called(name) == part


@pytest.mark.parametrize(
    "names", [("train", "valid"), ("Train", "Validation"), ("training", "DEV"), ("train", "val", "eval")]
)
def test_folders_and_columns_under_the_usual_names(tmp_path, names):
    parts = [part_called(name) for name in names]
    folder = folder_of(tmp_path / "c", dict.fromkeys(names, ("arts", "sport")))
    corpus = load_corpus(str(folder))
    assert set(corpus.split) == set(parts)
    assert corpus.topics == ["arts", "sport"]
    table = column_of(tmp_path / "t.csv", list(names))
    assert load_corpus(str(table)).split == parts


def test_what_is_unsupervised_beside_train_or_below_has_no_topic(tmp_path):
    for parts in (
        {"train": ("neg", "pos"), "test": ("neg", "pos"), "unsup": ("",)},
        {"train": ("neg", "pos", "unsup"), "test": ("neg", "pos")},
        {"train": ("neg", "pos"), "test": ("neg", "pos"), "unlabeled": ("some", "more")},
    ):
        folder = folder_of(tmp_path / str(len(list(tmp_path.iterdir()))), parts)
        corpus = load_corpus(str(folder))
        assert corpus.topics == ["neg", "pos"]
        unlabelled = [split == "unlabelled" for split in corpus.split]
        assert [label is None for label in corpus.labels] == unlabelled
        assert any(unlabelled)
        assert all(name in ("train", "test", "unlabelled") for name in corpus.split)
    table = column_of(tmp_path / "t.csv", ["train", "test", "Unsupervised"], ["neg", "pos", "-1"])
    assert load_corpus(str(table)).labels == ["neg", "pos", None]


@pytest.mark.parametrize(
    ("values", "labels", "said"),
    [
        (["train", "valid"], "ab", ["no test documents with topics: the documents of valid are the test"]),
        (["train", "train"], "ab", ["no test documents with topics: a quarter of each topic of train is the test"]),
        (
            ["train", "valid", "test"],
            ["a", "b", ""],
            ["no test documents with topics: the documents of valid are the test"],
        ),
        (["train", "valid", "test"], "aba", []),
    ],
)
def test_what_is_tested_on_is_said(tmp_path, values, labels, said):
    corpus = load_corpus(str(column_of(tmp_path / "t.csv", values, list(labels))))
    assert [note for note in corpus.notes if note.startswith("no test")] == said


def test_other_splits_are_refused_in_a_sentence_and_only_by_a_run(tmp_path):
    table = column_of(tmp_path / "t.csv", ["fold1", "fold2", "train"])
    with pytest.raises(InputError, match=r"t\.csv has the splits fold1, fold2: call them train, valid and test"):
        load_corpus(str(table))
    assert Corpus.load(table).split == ["fold1", "fold2", "train"]  # which is enough for vectors
    table = column_of(tmp_path / "u.csv", ["test", "valid"])
    with pytest.raises(InputError, match="of the splits test, valid and none of train"):
        load_corpus(str(table))
    folder = folder_of(tmp_path / "c", {"train": ("arts",), "valid": ("arts",), "models": ("",)})
    with pytest.raises(
        InputError, match=r"has splits \(train, valid\) beside folders that are none \(models \(1 in all\)\)"
    ):
        load_corpus(str(folder))


def test_a_sample_keeps_every_split_and_topics_of_more_than_one_document():
    n = 1200
    corpus = Corpus(
        "many", [str(i) for i in range(n)], ["t"] * n,
        labels=[f"topic {i % 300}" for i in range(n)], split=["test" if i < 600 else "train" for i in range(n)],
    )  # fmt: skip
    sample = corpus.sample(100)
    assert len(sample) == 100
    assert 40 <= sample.split.count("train") <= 60
    assert min(sample.labels.count(topic) for topic in sample.topics) >= 2
    assert sample.notes == (f"the sample of 100 documents has {len(sample.topics)} of 300 topics",)
