"""The table of records: one row for each model, length mix, method, number of threads and processor; the last run's counts.

Written by the benchmarks, never by hand.
"""

import platform
import subprocess
from pathlib import Path

import pandas as pd

from unpadded.common import atomic_write
from unpadded.report.rendering import table_markdown

KEY = ["model", "lengths", "threads", "processor", "method"]
COLUMNS = [*KEY, "times the loop", "of its turns", "other bits in other batches", "commit"]
HEAD = """# Records

Times as fast as fastai's loop over single documents, all methods of a table in one process and taking turns: the best turn of
each (of few documents together the median), and the least, the median and the most of all turns. Written by
`benchmarks/encoding.py --records benchmarks/RECORDS.md` and `benchmarks/few.py --records benchmarks/RECORDS.md`; the commit is
the one that was measured. In brackets: the batch size, the fastest of those that the method may choose from.

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
    return f"{named.get('model name', platform.machine())}, family {named.get('cpu family', '?')}"


def commit() -> str:
    """The commit that is checked out, with a plus where files differ from it; a question mark outside a repository."""
    here = Path(__file__).parent
    command = ["git", "describe", "--always", "--dirty=+"]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "?"


def keep(path: Path, table: pd.DataFrame, *, model: str, threads: int) -> None:
    """Put the rows of `table` into the records in `path`, in the place of those of the same key."""
    new = table.assign(model=model, threads=str(threads), processor=processor(), commit=commit())
    new = new.reindex(columns=COLUMNS).fillna("").astype(str)
    old = read(path)
    old = old[~old.set_index(["model", "lengths", "threads", "processor"]).index.isin(_groups(new))]
    rows = pd.concat([old, new], ignore_index=True)
    text = HEAD + table_markdown(rows.columns.tolist(), rows.values.tolist()) + "\n"
    with atomic_write(path) as file:
        file.write(text.encode())


def read(path: Path) -> pd.DataFrame:
    """The rows of a table of records; none where there is no such file."""
    lines = path.read_text().splitlines() if path.is_file() else []
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return pd.DataFrame(cells[2:], columns=cells[0]) if cells else pd.DataFrame(columns=COLUMNS)


def _groups(table: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(table[["model", "lengths", "threads", "processor"]].drop_duplicates())
