"""Writes a folder of embeddings shard by shard, so that it can be stopped at any moment and resumed.

A shard counts as finished once its line stands in shards.jsonl, which is written after its rows are synced to disk. All
files but timings.csv depend on the corpus, the model and the settings alone, never on when or how often a run stopped.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from unpadded.common import DISK_IS_FULL, LOCK, InputError, atomic_write, is_clutter, locked, sha256_of, write_json
from unpadded.embeddings import store
from unpadded.embeddings.snippets import BEGINNINGS, write_beginnings
from unpadded.embeddings.store import FORMAT, IDS, MANIFEST, SHARDS, TIMINGS
from unpadded.embeddings.words import write_words


class EmbeddingsWriter:
    """The one writer of a folder of embeddings; make one with `open_writer`.

    `pending` maps the number of each shard to be computed to its (first row, row after the last): hand every one in
    with `write`, then call `finish`. `finished` tells that there is nothing to do.
    """

    def __init__(self, folder: Path, manifest: dict, ids: Sequence[str], texts: Sequence[str] | None = None):
        self.folder = folder
        self.manifest = manifest
        self._paths = {pooling: folder / f"{pooling}.npy" for pooling in manifest["settings"]["poolings"]}
        repaired = self._repair_ids(ids)
        if texts is not None and (not manifest["finished"] or BEGINNINGS in manifest["sha256"]):
            repaired |= write_beginnings(texts, folder)  # a finished set of an older version stays as it is
        if texts is not None:  # beside the set, not of it: a finished one gets it without being touched
            write_words(texts, folder, manifest["settings"]["corpus"])
        self._repair_arrays()
        bounds = dict(enumerate(store.shard_bounds(len(ids), manifest["settings"]["shard_size"])))
        records = (r for r in store.read_records(folder) if r["shard"] in bounds)
        self._records = {r["shard"]: r for r in records if store.shard_is_intact(folder, manifest, r)}
        self.pending = {shard: rows for shard, rows in bounds.items() if shard not in self._records}
        self.finished = manifest["finished"] and not repaired and not self.pending and self._records_are_original()

    def write(self, shard: int, vectors: Mapping[str, np.ndarray], *, tokens: int, seconds: float) -> None:
        """Write the rows of one shard, float32 [rows, width] per pooling, and list it as finished.

        Raises `OSError` as the file system does; what was finished before stays so.
        """
        first, end = self.pending[shard]
        position, _ = store.shard_span(self.manifest, shard)
        digests = {}
        for pooling, path in self._paths.items():
            rows = np.ascontiguousarray(vectors[pooling], dtype="<f4")
            if rows.shape != (end - first, self.manifest["width"]):
                raise ValueError(f"Shard {shard} has vectors of shape {rows.shape} for {end - first} documents.")
            _write_at(path, position, rows.data.cast("B"))
            digests[pooling] = hashlib.sha256(rows).hexdigest()
        record = {"shard": shard, "documents": end - first, "tokens": tokens, "sha256": digests}
        _append(self.folder / SHARDS, store.record_line(record))
        self._records[shard] = record
        del self.pending[shard]
        self._append_timing(record, seconds)

    def finish(self, **facts) -> None:
        """Mark the set as finished and add `facts` (JSON values that are the same in every run) to its manifest."""
        if self.pending:
            raise ValueError(f"{len(self.pending)} shards of {self.folder} are still to be written.")
        self._write_records()
        tokens = sum(record["tokens"] for record in self._records.values())
        names = [name for name in (IDS, SHARDS, BEGINNINGS) if (self.folder / name).is_file()]
        sha256 = {name: sha256_of(self.folder / name) for name in names}
        self.manifest = {**self.manifest, **facts, "finished": True, "tokens": tokens, "sha256": sha256}
        write_json(self.folder / MANIFEST, self.manifest)
        self.finished = True

    def _resume(self, environment: dict) -> None:
        """Mark a damaged or unfinished set as in work, in the environment in which it was begun."""
        if self._records:
            _refuse_other_environment(self.folder, self.manifest["environment"], environment)
        kept = ("format", "settings", "about", "documents", "width")
        manifest = {**{key: self.manifest[key] for key in kept}, "environment": environment, "finished": False}
        if manifest != self.manifest:
            write_json(self.folder / MANIFEST, manifest)
            self.manifest = manifest
        if self.pending:  # lines that are torn or belong to damaged shards go
            self._write_records()

    def _repair_ids(self, ids: Sequence[str]) -> bool:
        lines = b"".join(json.dumps(id).encode() + b"\n" for id in ids)
        path = self.folder / IDS
        if path.is_file() and path.read_bytes() == lines:
            return False
        with atomic_write(path) as file:
            file.write(lines)
        return True

    def _repair_arrays(self) -> None:
        """Give every array file its header and its full size (sparse: disk is used only once rows are written)."""
        header = store.npy_header(self.manifest["documents"], self.manifest["width"])
        size = len(header) + 4 * self.manifest["documents"] * self.manifest["width"]
        for path in self._paths.values():
            path.touch()
            with open(path, "r+b", buffering=0) as file:
                os.ftruncate(file.fileno(), size)
                if file.read(len(header)) != header:
                    _write_all(file.fileno(), header, 0)

    def _records_are_original(self) -> bool:
        path = self.folder / SHARDS
        return path.is_file() and sha256_of(path) == self.manifest["sha256"][SHARDS]

    def _write_records(self) -> None:
        with atomic_write(self.folder / SHARDS) as file:
            file.writelines(store.record_line(self._records[shard]) for shard in sorted(self._records))

    def _append_timing(self, record: dict, seconds: float) -> None:
        path = self.folder / TIMINGS
        line = f"{record['shard']},{record['documents']},{record['tokens']},{seconds:.3f},{time.time():.0f}\n"
        with open(path, "a") as file:
            file.write(line if file.tell() else "shard,documents,tokens,seconds,finished_at\n" + line)


@contextmanager
def open_writer(
    folder: str | os.PathLike,
    *,
    settings: dict,
    environment: dict,
    about: dict,
    ids: Sequence[str],
    width: int,
    texts: Sequence[str] | None = None,
) -> Iterator[EmbeddingsWriter]:
    """Lock `folder` and yield a writer that goes on with the set in it, or begins one.

    `settings`: what the vectors depend on, `poolings` (list) and `shard_size` (documents) among it. `environment`: what
    their last bits depend on. `about`: more for the manifest. `texts`: the documents, for their first words and the index of
    all of them, which belongs to the `corpus` of the settings (its fingerprint). Raises
    `InputError` for a folder that another process writes to, that holds other files, or a set with other settings.
    """
    folder = Path(folder)
    _refuse_foreign(folder)
    with _locked(folder):
        for name in (IDS, SHARDS, BEGINNINGS, MANIFEST):
            for leftover in folder.glob(f".{name}.*.tmp"):  # of a run that was killed
                leftover.unlink()
        manifest = store.read_manifest(folder)
        if manifest is None:
            manifest = {"format": FORMAT, "finished": False, "settings": settings, "environment": environment}
            manifest |= {"about": about, "documents": len(ids), "width": width}
            write_json(folder / MANIFEST, manifest)
        _refuse_other_settings(folder, manifest["settings"], settings)
        writer = EmbeddingsWriter(folder, manifest, ids, texts)
        if not writer.finished:
            writer._resume(environment)
        yield writer


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; raises `InputError` where another process does, or where the folder cannot be written."""
    with ExitStack() as held:
        try:
            refusal = f"Another process writes to {folder}: wait for its end or choose another folder."
            held.enter_context(locked(folder, timeout=0, refusal=refusal))
        except OSError as error:
            if error.errno in DISK_IS_FULL:
                raise
            raise InputError(f"Cannot write to the folder {folder} ({error.strerror}): choose another one.") from None
        yield


def _refuse_foreign(folder: Path) -> None:
    """Raise for a folder that holds something, but no manifest."""
    if not folder.is_dir() or (folder / MANIFEST).exists():
        return
    names = sorted(path.name for path in folder.iterdir())
    own = [name for name in names if name == LOCK or name.startswith(f".{MANIFEST}.") or is_clutter(name)]
    foreign = [name for name in names if name not in own]
    if foreign:
        raise InputError(
            f"{folder} holds files that are not embeddings ({foreign[0]!r} is one): choose an empty or new folder."
        )


def _refuse_other_settings(folder: Path, there: dict, here: dict) -> None:
    """Raise where a set was made with other settings, naming the first that differs."""
    for name, value in here.items():
        if there.get(name) != value:
            label = {"poolings": "pooling", "layers": "layer"}.get(name, name.replace("_", " "))
            old, new = _shown(there.get(name)), _shown(value)
            raise InputError(
                f"{folder} holds embeddings of another {label} ({old}, this is {new}): "
                f"choose another folder or the same {label}."
            )


def _refuse_other_environment(folder: Path, there: dict, here: dict) -> None:
    """Raise where a set was begun in an environment that computes other last bits."""
    for name, value in here.items():
        if there.get(name) != value:
            raise InputError(
                f"The unfinished embeddings in {folder} were begun with {name} {there.get(name)}, this is {value}, "
                f"whose vectors can differ in the last bits: use the same {name} or choose another folder."
            )


def _shown(value) -> str:
    """A setting in a sentence; of a fingerprint, the first digits."""
    if isinstance(value, list):
        return "+".join(map(str, value))
    return f"{value[:12]}..." if isinstance(value, str) and len(value) == 64 else str(value)


def _write_at(path: Path, position: int, data: memoryview) -> None:
    """Write into an existing file and sync it; writing through a memory map would end in SIGBUS on a full disk."""
    with open(path, "r+b", buffering=0) as file:
        _write_all(file.fileno(), data, position)
        os.fsync(file.fileno())


def _write_all(descriptor: int, data: bytes | memoryview, position: int) -> None:
    while len(data):
        written = os.pwrite(descriptor, data, position)
        data, position = data[written:], position + written


def _append(path: Path, line: bytes) -> None:
    """Append a line and sync; a line that does not fit on the disk is taken back whole."""
    path.touch()
    with open(path, "r+b", buffering=0) as file:
        end = file.seek(0, os.SEEK_END)
        try:
            _write_all(file.fileno(), line, end)
            os.fsync(file.fileno())
        except OSError:
            os.ftruncate(file.fileno(), end)
            raise
