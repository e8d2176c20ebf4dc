"""Document vectors on disk: one .npy per pooling, written in checksummed shards of rows and read as memory maps.

A folder of embeddings holds

    manifest.json   what was embedded, by which model, how, and whether the set is finished
    ids.jsonl       one document id a line, in the order of the rows
    last.npy ...    float32 [n_documents, width], one file per pooling; concat is the three side by side, never stored
    shards.jsonl    one finished shard (a fixed range of rows) a line, with the SHA-256 of its rows in every file
    beginnings.npy  the first words of every document, for search results (sets of older versions have none)
    words/          an index of the documents' words for the search by them (words.py), where bm25s is installed
    timings.csv     seconds of every shard: the only file that differs between two runs of the same command
    .lock           empty, held by the process that writes
"""

import hashlib
import json
import os
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np

from unpadded.common import CONCAT, InputError, mapped_array, read_json, sha256_of
from unpadded.embeddings.snippets import BEGINNINGS, header_of, read_beginnings

FORMAT = "unpadded embeddings 1"
MANIFEST, IDS, SHARDS, TIMINGS = "manifest.json", "ids.jsonl", "shards.jsonl", "timings.csv"


class Embeddings:
    """Vectors of a corpus in a folder, one memory-mapped array per pooling; open one with `Embeddings.open`.

    `embeddings["mean"]` is a read-only float32 memory map [n_documents, width]; `embeddings.to_numpy()` is in memory.
    """

    def __init__(self, folder: Path, manifest: dict):
        self.folder = folder
        self.manifest = manifest

    @classmethod
    def open(cls, folder: str | os.PathLike, *, verify: bool = False) -> "Embeddings":
        """Open a finished set; sizes and headers are always checked, every checksum with `verify=True`.

        Raises `InputError` for a folder that holds none, an unfinished or a damaged set.
        """
        folder = Path(folder)
        manifest = read_manifest(folder)
        if manifest is None:
            raise InputError(f"{folder} holds no embeddings ({MANIFEST} is missing): make them with 'unpadded embed'.")
        if not manifest["finished"]:
            raise InputError(f"The embeddings in {folder} are not finished: run the same 'unpadded embed' again.")
        embeddings = cls(folder, manifest)
        embeddings._raise_if(_misshapen(folder, manifest))
        if verify:
            embeddings.verify()
        return embeddings

    def __len__(self) -> int:
        return self.manifest["documents"]

    def __repr__(self) -> str:
        return f"Embeddings({str(self.folder)!r}, {len(self)} documents, width {self.width}, {'+'.join(self.poolings)})"

    @property
    def width(self) -> int:
        """Columns of one stored array, whatever the pooling; concat has three times as many."""
        return self.manifest["width"]

    @property
    def poolings(self) -> tuple[str, ...]:
        """The poolings that `to_numpy` can give: those stored, and concat where its three parts are."""
        stored = tuple(self.manifest["settings"]["poolings"])
        return (*stored, "concat") if set(CONCAT) <= set(stored) else stored

    @cached_property
    def ids(self) -> list[str]:
        """Document ids in the order of the rows; raises `InputError` where their file is damaged."""
        try:
            ids = [json.loads(line) for line in (self.folder / IDS).read_bytes().splitlines()]
        except ValueError:
            ids = []
        self._raise_if([] if len(ids) == len(self) else [IDS])
        return ids

    def __getitem__(self, pooling: str) -> np.ndarray:
        """Rows of a stored pooling as a read-only memory map, float32 [n_documents, width]; `InputError` for another."""
        stored = self.manifest["settings"]["poolings"]
        if pooling not in stored:
            raise InputError(
                f"{self.folder} stores {', '.join(stored)} as arrays, not {pooling!r}: choose one of these."
            )
        return mapped_array(self.folder / f"{pooling}.npy")

    def to_numpy(self, pooling: str = "concat") -> np.ndarray:
        """Vectors in memory, float32 [n_documents, width], or [n_documents, 3 * width] for concat: last, mean, max.

        Raises `InputError` for a pooling that was not embedded.
        """
        if pooling not in self.poolings:
            held = ", ".join(self.poolings)
            raise InputError(f"{self.folder} holds {held}, not {pooling!r}: ask for one of them or embed again.")
        parts = CONCAT if pooling == "concat" else (pooling,)
        return np.concatenate([np.asarray(self[part]) for part in parts], axis=1)

    @cached_property
    def beginnings(self) -> np.ndarray | None:
        """The first words of every document, UTF-8 in bytes [n_documents], a memory map; `None` where there are none."""
        return read_beginnings(self.folder) if BEGINNINGS in self.manifest["sha256"] else None

    def verify(self) -> None:
        """Compare every checksum with the bytes on disk; raises `InputError` naming what is damaged."""
        damaged = _misshapen(self.folder, self.manifest)
        for name, digest in self.manifest["sha256"].items():
            if not damaged and sha256_of(self.folder / name) != digest:
                damaged = [name]
        if not damaged:
            records = read_records(self.folder)
            damaged = [f"shard {r['shard']}" for r in records if not shard_is_intact(self.folder, self.manifest, r)]
        self._raise_if(damaged)

    def _raise_if(self, damaged: list[str]) -> None:
        if damaged:
            more = f" and {len(damaged) - 1} more" if len(damaged) > 1 else ""
            raise InputError(
                f"The embeddings in {self.folder} are damaged ({damaged[0]}{more}): "
                "run the same 'unpadded embed' again."
            )


def read_manifest(folder: Path) -> dict | None:
    """The manifest of a folder, `None` where there is none; raises `InputError` for one that is not ours."""
    path = folder / MANIFEST
    try:
        manifest = read_json(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:
        manifest = None
    keys = {"settings", "environment", "about", "documents", "width", "finished"}
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT or not keys <= manifest.keys():
        raise InputError(f"{path} is not a manifest of {FORMAT!r}: choose another folder.")
    return manifest


def npy_header(documents: int, width: int) -> bytes:
    """What stands before the rows in a float32 .npy file of shape [documents, width] (NumPy's format, version 1.0)."""
    return header_of("<f4", (documents, width))


def shard_bounds(documents: int, shard_size: int) -> list[tuple[int, int]]:
    """First row and row after the last of every shard."""
    return list(pairwise([*range(0, documents, shard_size), documents]))


def shard_span(manifest: dict, shard: int) -> tuple[int, int]:
    """Position and length in bytes of a shard's rows within every array file of the set."""
    size, row = manifest["settings"]["shard_size"], 4 * manifest["width"]
    first, end = shard * size, min((shard + 1) * size, manifest["documents"])
    return len(npy_header(manifest["documents"], manifest["width"])) + first * row, (end - first) * row


def read_records(folder: Path) -> list[dict]:
    """The finished shards that shards.jsonl lists; a torn or altered line is left out."""
    try:
        lines = (folder / SHARDS).read_bytes().splitlines()
    except FileNotFoundError:
        return []
    records = []
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and record.pop("check", None) == _check(record):
            records.append(record)
    return records


def record_line(record: dict) -> bytes:
    """One line of shards.jsonl; its last field is a checksum of the record itself."""
    return json.dumps({**record, "check": _check(record)}).encode() + b"\n"


def _check(record: dict) -> str:
    return hashlib.sha256(json.dumps(record).encode()).hexdigest()[:16]


def shard_is_intact(folder: Path, manifest: dict, record: dict) -> bool:
    """Whether the rows of one shard have, in every array file, the checksum that was recorded for them."""
    position, length = shard_span(manifest, record["shard"])
    for pooling in manifest["settings"]["poolings"]:
        with open(folder / f"{pooling}.npy", "rb") as file:
            file.seek(position)
            if hashlib.sha256(file.read(length)).hexdigest() != record["sha256"].get(pooling):
                return False
    return True


def _misshapen(folder: Path, manifest: dict) -> list[str]:
    """Names of the files whose size or header is not what the manifest says."""
    header = npy_header(manifest["documents"], manifest["width"])
    size = len(header) + 4 * manifest["documents"] * manifest["width"]
    wrong = [name for name in manifest["sha256"] if not (folder / name).is_file()]
    for name in (f"{pooling}.npy" for pooling in manifest["settings"]["poolings"]):
        path = folder / name
        if not path.is_file() or path.stat().st_size != size:
            wrong.append(name)
            continue
        with open(path, "rb") as file:
            if file.read(len(header)) != header:
                wrong.append(name)
    return wrong
