"""The records: a table for each thing that is measured, the last run's rows of a model and processor in the place of others.

Written by the benchmarks, never by hand.
"""

import platform
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from unpadded.common import atomic_write
from unpadded.report.rendering import table_markdown


class Section(NamedTuple):
    """One table: rows that agree in the columns `of` are of one run, and a new run takes the place of all of them."""

    title: str
    text: str
    of: tuple[str, ...]
    columns: tuple[str, ...]


WHERE = ("model", "threads", "processor")
GOALS = (110, 100, 87)  # test perplexities on WikiText-2
DOCUMENTS = Section(
    "Documents into vectors",
    """Times as fast as fastai's loop over single documents, all methods of a table in one process and taking turns: the best
turn of each (of few documents together the median), and the least, the median and the most of all turns. In brackets: the
batch size, the fastest of those that the method may choose from. By `benchmarks/encoding.py` and `benchmarks/few.py`.""",
    ("model", "lengths", "threads", "processor"),
    (
        *("model", "lengths", "threads", "processor", "method"),
        *("times the loop", "of its turns", "share of limit", "other bits in other batches", "commit"),
    ),
)
REQUESTS = Section(
    "Requests to a service",
    """One document of 20 tokens a request, from so many threads at once: requests a second times those of the loop, and
milliseconds of a request, the median and the 99th percentile. fastai's module keeps a state, so its loop serves one request
at a time. By `benchmarks/few.py`.""",
    WHERE,
    (*WHERE, "callers", "method", "times the loop", "requests a second", "median ms", "99 % ms", "commit"),
)
TRAINING = Section(
    "Training",
    """Tokens a second times those of fastai's `fit` in float32, the same text, sizes, batch, window and dropouts in one
process, taking turns: the best turn of each, and the least, the median and the most of all turns. By
`benchmarks/training.py`.""",
    WHERE,
    (*WHERE, "method", "precision", "times fastai", "of its turns", "share of limit", "commit"),
)
PERPLEXITIES = Section(
    "Minutes to a test perplexity on WikiText-2",
    """Minutes of training until the test text's perplexity was first measured at most so high; *best* is the lowest that was
measured, and after how many minutes. By `benchmarks/training.py --data`.""",
    WHERE,
    (*WHERE, *map(str, GOALS), "best", "minutes", "commit"),
)
SECTIONS = (DOCUMENTS, REQUESTS, TRAINING, PERPLEXITIES)
HEAD = """# Records

Written by the benchmarks with `--records benchmarks/RECORDS.md`; the commit is the one that was measured.
"""


def processor() -> str:
    """What this machine computes with, as its own system calls it."""
    try:
        facts = dict(
            line.split(":", 1)
            for line in Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
            if ":" in line
        )
    except OSError:
        return platform.processor() or platform.machine()
    named = {name.strip(): value.strip() for name, value in facts.items()}
    name = named.get("model name", platform.machine())
    # A virtual machine may hide the matrix registers that its processor has.
    registers = ", AMX" if "amx_tile" in named.get("flags", "") else ""
    return f"{name}, family {named.get('cpu family', '?')}, model {named.get('model', '?')}{registers}"


def commit() -> str:
    """The commit that is checked out, with a plus where files differ from it; a question mark outside a repository."""
    here = Path(__file__).parent
    command = ["git", "describe", "--always", "--dirty=+"]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "?"


def keep(path: Path, table: pd.DataFrame, section: Section = DOCUMENTS, *, model: str, threads: int) -> None:
    """Put the rows of `table` into the records in `path`, in the place of those of the same run."""
    new = table.assign(model=model, threads=str(threads), processor=processor(), commit=commit())
    new = new.reindex(columns=section.columns).fillna("").astype(str)
    kept, of = {each: read(path, each) for each in SECTIONS}, list(section.of)
    old, groups = kept[section], pd.MultiIndex.from_frame(new[of].drop_duplicates())
    kept[section] = pd.concat([old[~old.set_index(of).index.isin(groups)], new], ignore_index=True)
    with atomic_write(path) as file:
        file.write("\n".join([HEAD, *(_in_markdown(*both) for both in kept.items() if len(both[1]))]).encode())


def read(path: Path, section: Section = DOCUMENTS) -> pd.DataFrame:
    """The rows of a table of records; none where there is no such file."""
    text = path.read_text() if path.is_file() else ""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    lines = dict(zip(parts[1::2], parts[2::2], strict=True)).get(section.title, "").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return pd.DataFrame(cells[2:], columns=cells[0]) if cells else pd.DataFrame(columns=section.columns)


def _in_markdown(section: Section, rows: pd.DataFrame) -> str:
    return f"## {section.title}\n\n{section.text}\n\n{table_markdown(rows.columns.tolist(), rows.values.tolist())}\n"
