"""How much memory a method takes, and what happens where there is less: each measurement in a process of its own.

A process is started anew, with none of its parent's environment and memory, because a high-water mark never falls and
Linux hands the parent's on in `ru_maxrss`. A limit is real: the system refuses the memory, and the process dies of it.
"""

import ctypes
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from unpadded.common import ENVIRONMENT, InputError, die_with_parent
from unpadded.tokens import TokenizedCorpus

MIB = 2**20
SIDE_BY_SIDE = 2  # processes
LIMITED = sys.platform == "linux"  # elsewhere the system does not hold a process to RLIMIT_DATA
COLUMNS = (
    *("method", "batch_size", "documents", "tokens", "longest", "limit_mib"),
    *("outcome", "peak_mib", "cpu_seconds", "message"),
)
# What torch, C++, Python and oneDNN say.
NO_MEMORY = ("allocate memory", "bad_alloc", "MemoryError", "could not create a primitive")


@dataclass(frozen=True)
class MemoryJob:
    """One process: `method` (see `speed.runner_of`) over documents, with each of the batch `sizes` in turn.

    `model` and `documents`: folders that `LanguageModel.save` and `TokenizedCorpus.save` made, ids of the model's
    vocabulary. `places`: which documents, all unless given; with `one_batch` only as many of them as the batch has.
    `limit_mib`: memory that the process may take beside Python, torch, the model and the documents; 0 is no limit.
    """

    model: str
    documents: str
    method: str
    sizes: tuple[int, ...]
    places: tuple[int, ...] | None = None
    one_batch: bool = False
    limit_mib: int = 0

    def lengths(self, size: int) -> np.ndarray:
        """Tokens of the documents that are encoded with batches of `size`, int64 [n]."""
        lengths = TokenizedCorpus.open(self.documents).lengths
        lengths = lengths if self.places is None else lengths[list(self.places)]
        return lengths[:size] if self.one_batch else lengths


def prepared(lm, documents: Sequence[np.ndarray], folder: str | os.PathLike) -> dict[str, str]:
    """Write a model and documents, arrays of its token ids, below `folder`; returns a job's `model` and `documents`."""
    folder, offsets = Path(folder), np.cumsum([0, *map(len, documents)])
    lm.save(folder / "model")
    TokenizedCorpus(np.concatenate(documents).astype(np.int32), offsets, lm.vocab).save(folder / "documents")
    return {"model": str(folder / "model"), "documents": str(folder / "documents")}


def measure_memory(jobs: Iterable[MemoryJob]) -> pd.DataFrame:
    """Run each job in a process of its own, SIDE_BY_SIDE at a time; one row a job and batch size, in their order.

    Columns: method, batch_size, documents, tokens, longest (document, in tokens), limit_mib, outcome ("finished", "out of
    memory", "died", or "not tried" after a death), peak_mib (most memory beyond what the process held before, the vectors
    included), cpu_seconds (one thread), message (the last words of a process that died). Raises `InputError` for a limit
    where the system does not hold processes to it.
    """
    jobs = list(jobs)
    if not LIMITED and any(job.limit_mib for job in jobs):
        raise InputError("limit_mib: only Linux holds a process to a limit; measure without one.")
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        return pd.DataFrame([row for rows in pool.map(_measured, jobs) for row in rows], columns=COLUMNS)


def _measured(job: MemoryJob) -> list[dict]:
    """The rows of one job: what its process reported, and how it ended."""
    child = subprocess.run(
        [sys.executable, "-m", "unpadded.studies.speed.memory"],
        input=json.dumps(asdict(job)),
        capture_output=True,
        text=True,
        env=_clean_environment(),
        check=False,
    )
    found = [json.loads(line) for line in child.stdout.splitlines() if line.startswith("{")]
    if not found:
        raise RuntimeError(f"The process that should measure {job.method!r} did not start: {_last_words(child)}")
    rows = []
    for size, measured in zip(job.sizes, found[1:] + [{}] * len(job.sizes), strict=False):
        lengths = job.lengths(size)
        row = dict.fromkeys(COLUMNS[6:], np.nan) | {"message": ""} | measured
        row |= {"method": job.method, "batch_size": size, "documents": len(lengths), "tokens": int(lengths.sum())}
        row |= {"longest": int(lengths.max(initial=0)), "limit_mib": job.limit_mib}
        if measured:
            row["outcome"] = "finished"
        elif len(rows) == len(found) - 1:
            row["message"] = _last_words(child)
            row["outcome"] = "out of memory" if any(sign in row["message"] for sign in NO_MEMORY) else "died"
        else:
            row["outcome"] = "not tried"
        rows.append(row)
    return rows


def _last_words(child: subprocess.CompletedProcess) -> str:
    lines = child.stderr.strip().splitlines()
    words = lines[-1].strip() if lines else ""
    return words.rpartition("DefaultCPUAllocator: ")[2] or f"ended with status {child.returncode}"


def _clean_environment() -> dict[str, str]:
    """What a process needs and nothing that its parent was started with; one thread, so that seconds are of one core."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
    here = str(Path(__file__).resolve().parents[3])  # the package need not be installed
    return kept | ENVIRONMENT | {"PYTHONPATH": here, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def _child() -> None:
    """Measure the job that stands on standard input; one line of JSON when ready and one for each batch size."""
    from unpadded.model import LanguageModel
    from unpadded.studies.speed.throughput import runner_of

    die_with_parent()
    job = MemoryJob(**json.load(sys.stdin))
    lm, tokens = LanguageModel.load(job.model), TokenizedCorpus.open(job.documents)
    lm = lm.directed(lm.direction)
    documents = [np.array(tokens[i]) for i in (range(len(tokens)) if job.places is None else job.places)]
    runner_of(job.method, lm)(documents[:1], 1)  # what libraries set up once is not the method's own
    if job.limit_mib:
        _limit(job.limit_mib * MIB)
    print(json.dumps({"ready": True}), flush=True)
    for size in job.sizes:
        batch = documents[:size] if job.one_batch else documents
        before, start = _held_before(), time.process_time()
        runner_of(job.method, lm)(batch, size)  # made here: what it packs and keeps is part of its memory
        measured = {"cpu_seconds": time.process_time() - start, "peak_mib": (_most_held() - before) / MIB}
        print(json.dumps(measured), flush=True)


def _limit(n_bytes: int) -> None:
    """Let this process take `n_bytes` more private memory than it holds (RLIMIT_DATA counts it since Linux 4.7)."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (_status("VmData") + n_bytes, hard))


def _held_before() -> int:
    """Bytes that the process holds, after what was freed went back to the system; its high-water mark starts anew."""
    gc.collect()
    if hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)
    if not LIMITED:
        return _most_held()
    Path("/proc/self/clear_refs").write_text("5")  # proc(5): resets the peak resident set size
    return _status("VmRSS")


def _most_held() -> int:
    """The process's high-water mark in bytes."""
    if LIMITED:
        return _status("VmHWM")
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


def _status(name: str) -> int:
    """A field of /proc/self/status, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {name}")


if __name__ == "__main__":
    _child()
