"""The two named datasets whose own download hosts must be reached once; scikit-learn and fastai know how.

What they deliver is written as one documents.jsonl with its checksum, so a later load reads that and nothing else:
neither scikit-learn's pickled cache nor fastai's fifty thousand small files.
"""

import json
import socket
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path

from unpadded.common import InputError, atomic_write, in_short, read_json, sha256_of, write_json
from unpadded.corpus.documents import Documents
from unpadded.corpus.readers.folders import read_folder
from unpadded.corpus.readers.tabular import read_table

SECONDS = 15.0  # without an answer from the host
COUNTS = {"newsgroups-raw": {"train": 11_314, "test": 7_532}, "imdb": {"train": 25_000, "test": 25_000}}
Fetched = tuple[str, list[dict[str, str]]]  # where it came from; rows with id, text, label, split


def load_newsgroups_raw(folder: Path) -> Documents:
    """20 Newsgroups by date with headers, quotes and signatures (`remove=()`): 11,314 train, 7,532 test documents.

    Raises `InputError` where it is not in `folder` and cannot be fetched.
    """
    return _cached("newsgroups-raw", folder, _fetch_newsgroups)


def load_imdb(folder: Path) -> Documents:
    """IMDb film reviews, topics neg and pos: 25,000 train, 25,000 test documents (the unlabelled 50,000 stay out).

    Raises `InputError` where it is not in `folder` and cannot be fetched.
    """
    return _cached("imdb", folder, _fetch_imdb)


def _cached(name: str, folder: Path, fetch: Callable[[], Fetched]) -> Documents:
    documents, provenance = folder / "documents.jsonl", folder / "provenance.json"
    if not _is_whole(documents, provenance):
        source, rows = fetch()
        counts = Counter(row["split"] for row in rows)
        if counts != COUNTS[name]:
            raise InputError(f"{source} holds {dict(counts)} documents, not {COUNTS[name]}: delete it and load again")
        with atomic_write(documents) as file:
            for row in rows:
                file.write(json.dumps(row).encode() + b"\n")
        write_json(provenance, {"source": source, "documents_sha256": sha256_of(documents)})
    corpus = read_table(documents, columns={"text": "text", "label": "label", "id": "id", "split": "split"})
    return Documents(name, corpus.ids, corpus.texts, labels=corpus.labels, split=corpus.split)


def _is_whole(documents: Path, provenance: Path) -> bool:
    try:
        return read_json(provenance)["documents_sha256"] == sha256_of(documents)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _fetch_newsgroups() -> Fetched:
    from sklearn.datasets import fetch_20newsgroups

    # An empty home, so that no pickle somebody left there is read; it goes with what scikit-learn puts into it.
    with tempfile.TemporaryDirectory() as home, _one_sentence("newsgroups-raw"):
        bunch = fetch_20newsgroups(data_home=home, subset="all", shuffle=False, remove=(), n_retries=1, delay=0.01)
    rows = []
    for text, target, path in zip(bunch.data, bunch.target, bunch.filenames, strict=True):
        split = "train" if "20news-bydate-train" in Path(path).parts else "test"
        label = bunch.target_names[target]
        rows.append({"id": f"{split}/{label}/{Path(path).name}", "text": text, "label": label, "split": split})
    return "sklearn.datasets.fetch_20newsgroups(subset='all', remove=())", rows


def _fetch_imdb() -> Fetched:
    with _one_sentence("imdb"):
        from fastai.data.external import URLs, untar_data

        place = untar_data(URLs.IMDB)
    rows = []
    for split in ("train", "test"):
        part = read_folder(place / split, encoding="utf-8")
        for file, text, label in zip(part.ids, part.texts, part.labels or [], strict=True):
            rows.append({"id": f"{split}/{file}", "text": text, "label": label, "split": split})
    return f"fastai's copy in {place}", rows


@contextmanager
def _one_sentence(name: str) -> Iterator[None]:
    """Turn any failure to download into one sentence, after at most some seconds, and drop what the library prints."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SECONDS)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            yield
    except Exception as error:  # each library raises its own kinds, fastdownload a bare Exception
        reason = in_short(error, 200)
        raise InputError(
            f"the dataset {name!r} could not be downloaded ({reason}): go online once, or take one of newsgroups, "
            "reuters-r8, reuters-r52 and lee"
        ) from error
    finally:
        socket.setdefaulttimeout(before)
