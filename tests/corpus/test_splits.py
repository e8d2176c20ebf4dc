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


def test_a_folder_of_one_table_a_part(tmp_path):
    for name, content in (
        ("Train.csv", "text,label\none,a\ntwo,b\n"),
        ("valid.tsv", "text\tlabel\nthree\ta\n"),
        ("unsup.jsonl", '{"text": "four", "label": "-1"}\n'),
        ("README.md", "about"),
    ):
        (tmp_path / name).write_text(content)
    corpus = load_corpus(str(tmp_path))
    found = dict(zip(corpus.ids, zip(corpus.texts, corpus.labels, corpus.split, strict=True), strict=True))
    assert found == {
        "Train/1": ("one", "a", "train"),
        "Train/2": ("two", "b", "train"),
        "valid/1": ("three", "a", "valid"),
        "unsup/1": ("four", None, "unlabelled"),
    }
    assert corpus.notes == ("no test documents with topics: the documents of valid are the test",)
    (tmp_path / "test.csv").write_text("text\nfive\n")
    assert load_corpus(str(tmp_path)).notes[0] == "without labels: test.csv"
    (tmp_path / "training.csv").write_text("text\nx\n")
    with pytest.raises(InputError, match=r"two tables for train \(Train\.csv, training\.csv \(2 in all\)\)"):
        load_corpus(str(tmp_path))


def test_tables_of_parts_are_read_as_they_are_told(tmp_path):
    for name in ("train.csv", "test.csv"):
        (tmp_path / name).write_text(f'"3","the title","{name} text"\n', encoding="cp1252")
    corpus = load_corpus(str(tmp_path), text="3", label="1", reading={"heading": False})
    assert (corpus.texts, corpus.labels) == (["test.csv text", "train.csv text"], ["3", "3"])
    with pytest.raises(InputError, match=r"test\.csv has no column '4'"):
        load_corpus(str(tmp_path), text="4", reading={"heading": False})
    (tmp_path / "submission.csv").write_text("id\n1\n")  # then they are not all parts
    with pytest.raises(InputError, match="give one of its files"):
        load_corpus(str(tmp_path))


def test_a_text_file_for_each_part_is_not_two_documents(tmp_path):
    for name in ("train.txt", "valid.txt"):
        (tmp_path / name).write_text("one\ntwo\n")
    with pytest.raises(
        InputError, match=r"holds train\.txt, valid\.txt \(2 in all\), each of which would be one document"
    ):
        load_corpus(str(tmp_path))


def test_fastais_column_of_truths_is_a_split(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("text,label,is_valid\na,x,False\nb,y,True\n")
    corpus = load_corpus(str(path))
    assert corpus.split == ["train", "valid"]
    assert corpus.notes[0] == "the column is_valid says what is train and what is valid"
    path.write_text("text,label,is_valid\na,x,perhaps\nb,y,True\n")
    assert load_corpus(str(path)).split is None


def test_splits_that_would_be_taken_for_topics_are_refused_or_noted(tmp_path):
    two = ("arts", "sport")
    folder = folder_of(tmp_path / "a", {"train": two, "holdout": two})
    with pytest.raises(InputError, match=r"train, which is called after a split, and holdout, which is not"):
        load_corpus(str(folder))
    folder_of(tmp_path / "b" / "unpacked", {"train": two, "test": two})
    with pytest.raises(InputError, match=r"splits \(test, train\) below unpacked: give .*unpacked itself"):
        load_corpus(str(tmp_path / "b"))
    for topic in two:
        folder_of(tmp_path / "c" / topic, {"train": ("",), "dev": ("",)})
    with pytest.raises(InputError, match=r"splits \(dev, train\) below arts: put the splits above the topics"):
        load_corpus(str(tmp_path / "c"))
    folder = folder_of(tmp_path / "d", {"part 1": two, "part 2": two})
    assert load_corpus(str(folder)).notes == (
        "part 1, part 2 (2 in all) are the topics, and hold the same folders: if they are splits, call them train, valid "
        "and test",
    )


def test_unsup_beside_topics_without_splits_has_no_topic(tmp_path):
    corpus = load_corpus(str(folder_of(tmp_path / "a", dict.fromkeys(("neg", "pos", "unsup"), ("",)))))
    assert corpus.labels == ["neg", "neg", "pos", "pos", None, None]
    assert (corpus.split, corpus.notes) == (
        None,
        ("what lies in unsup has no topic: only the language model reads it",),
    )
    learning = folder_of(tmp_path / "b", dict.fromkeys(("supervised", "unsupervised"), ("",)))
    assert load_corpus(str(learning)).topics == ["supervised", "unsupervised"]
