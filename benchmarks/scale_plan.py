"""Compute the tables of docs/scale.md: `python benchmarks/scale_plan.py docs/scale.md benchmarks/scaling.csv`.

Speeds come from the CSV that `scaling.py --csv` writes, sizes from the store itself (a set with few and a set with many
documents are written and compared); everything else is an option, named in the table.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from unpadded.common import CONCAT, InputError, atomic_write
from unpadded.embeddings import SHARDS, open_writer

BEGIN, END = "<!-- {}:begin -->", "<!-- {}:end -->"
TOKENS = (10**6, 10**9, 10**11)
FEW, MANY = 4096, 10 * 4096  # documents of the two sets that are compared
SCALING = ["model", "device", "clock", "cores", "threads", "workers", "documents", "tokens/s", "microseconds a token"]
SCALING += ["efficiency", "by cores", "worker MiB", "driver MiB"]


def store_sizes(shard_size: int = 4096) -> dict[str, float]:
    """Bytes of a finished set: `manifest` with few and with many documents, one `id`, one line of shards.jsonl."""
    sizes = []
    for n in (FEW, MANY):
        with tempfile.TemporaryDirectory() as folder:
            _write_empty_set(Path(folder) / "set", n, shard_size)
            sizes.append({path.name: path.stat().st_size for path in (Path(folder) / "set").iterdir()})
    few, many = sizes
    return {
        "manifest": few["manifest.json"],
        "large manifest": many["manifest.json"],
        "id": (many["ids.jsonl"] - few["ids.jsonl"]) / (MANY - FEW),
        "shard line": (many[SHARDS] - few[SHARDS]) / ((MANY - FEW) / shard_size),
        "beginning": (many["beginnings.npy"] - few["beginnings.npy"]) / (MANY - FEW),
    }


def _write_empty_set(folder: Path, n: int, shard_size: int) -> None:
    ids, digest = [f"document-{i:09d}" for i in range(n)], "0" * 64
    settings = {"model": digest, "corpus": digest, "poolings": list(CONCAT), "precision": "float32", "layers": [0]}
    settings |= {"token_weights": None, "shard_size": shard_size}
    with open_writer(folder, settings=settings, environment={}, about={}, ids=ids, texts=[""] * n, width=1) as writer:
        for shard, (first, end) in list(writer.pending.items()):
            rows = np.zeros((end - first, 1), np.float32)
            writer.write(shard, dict.fromkeys(CONCAT, rows), tokens=1_000_000, seconds=0.0)
        writer.finish()


def rates(measured: pd.DataFrame) -> pd.DataFrame:
    """Tokens/s of one core and of one GPU for each model: columns model, core, gpu (NaN where not measured)."""
    alone = measured[measured["workers"] == 1]
    speed = alone["tokens/s"] / np.where(alone["device"] == "cpu", alone["threads"], 1)
    kinds = np.where(alone["device"] == "cpu", "core", "gpu")
    table = pd.DataFrame({"model": alone["model"], "kind": kinds, "rate": speed})
    wide = table.pivot_table(index="model", columns="kind", values="rate", aggfunc="max")
    return wide.reindex(columns=["core", "gpu"]).reset_index()


def time_table(speeds: pd.DataFrame, options) -> pd.DataFrame:
    """One row a model and number of tokens: how long one core, a machine, a cluster and a GPU take."""
    rows = []
    for model, core, gpu in speeds.itertuples(index=False):
        for tokens in TOKENS:
            shards = -(-tokens // (options.document_tokens * options.shard_size))  # more cores than these are idle
            machine = min(options.cores * options.share, shards)
            cluster = min(options.cores * options.share * options.machines, shards)
            rows.append(
                {
                    "model": model,
                    "tokens": power(tokens),
                    "one core": duration(tokens / core),
                    f"machine of {options.cores} cores": duration(tokens / (core * machine)),
                    f"{options.machines} such machines": duration(tokens / (core * cluster)),
                    "one GPU": "not measured" if np.isnan(gpu) else duration(tokens / gpu),
                }
            )
    return pd.DataFrame(rows)


def size_table(sizes: dict[str, float], options) -> pd.DataFrame:
    """One row a quantity, one column a number of tokens: what is stored and what is held."""
    columns = {}
    for tokens in TOKENS:
        documents = tokens / options.document_tokens
        shards = -(-documents // options.shard_size)
        vectors = documents * len(CONCAT) * 4 * options.width
        columns[f"{power(tokens)} tokens"] = {
            f"documents (of {options.document_tokens} tokens)": f"{documents:,.0f}",
            f"shards (of {options.shard_size:,} documents)": f"{shards:,.0f}",
            "manifest.json": volume(sizes["manifest"]),
            "shards.jsonl": volume(shards * sizes["shard line"]),
            "ids.jsonl": volume(documents * sizes["id"]),
            "beginnings.npy": volume(documents * sizes["beginning"]),
            f"vectors (last, mean, max of {options.width})": volume(vectors),
            "texts and ids in the memory of the process that reads them": volume(memory(tokens, documents, options)),
            "texts and vectors through that process": volume(tokens * options.text_bytes + vectors),
            f"reading every vector again at {options.disk} GB/s (resuming a finished set)": duration(
                vectors / (options.disk * 1e9)
            ),
        }
    return pd.DataFrame(columns).rename_axis("quantity").reset_index()


def limit_table(speeds: pd.DataFrame, options) -> pd.DataFrame:
    """What breaks first, in order: one row a limit, with the number of tokens or of processes at which it is reached."""
    per_document = options.document_tokens * options.text_bytes + len(CONCAT) * 4 * options.width
    fed = options.link * 1e9 / 8 / (per_document / options.document_tokens)  # tokens/s through one process
    held = memory(1, 1 / options.document_tokens, options)
    rows = [("texts and ids in memory", f"{options.memory} GB", f"{options.memory * 1e9 / held:.1e} tokens")]
    rows += [
        (f"link of the process that writes, {model}", f"{options.link} Gbit/s", f"{fed / core:,.0f} cores")
        for model, core, _ in speeds.itertuples(index=False)
    ]
    loads = options.link * 1e9 / 8 / (options.model_mb * 1e6)
    rows.append(
        (
            f"loading the model ({options.model_mb} MB) from one file server",
            f"{options.link} Gbit/s",
            f"{loads:,.0f} processes a second",
        )
    )
    return pd.DataFrame(rows, columns=["limit", "of", "reached at"])


def memory(tokens: float, documents: float, options) -> float:
    """Bytes of texts and ids as Python strings: 49 bytes and a pointer beside the characters (CPython 3.11, ASCII)."""
    return tokens * options.text_bytes + documents * 2 * (49 + 8) + documents * 18


def power(number: int) -> str:
    """A power of ten as such."""
    return f"10^{len(str(number)) - 1}"


def duration(seconds: float) -> str:
    """Seconds in the unit in which they are read."""
    for unit, size in (("years", 365 * 86_400), ("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:,.1f} seconds"


def volume(n_bytes: float) -> str:
    """Bytes in the unit in which they are read (powers of ten)."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= size:
            return f"{n_bytes / size:,.1f} {unit}"
    return f"{n_bytes:,.0f} bytes"


def markdown(table: pd.DataFrame) -> str:
    """A table as Markdown."""
    lines = ["| " + " | ".join(table.columns) + " |", "|" + "---|" * len(table.columns)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in table.itertuples(index=False)])


def with_tables(text: str, tables: dict[str, str]) -> str:
    """`text` with what stands between each table's two markers replaced. Raises `InputError` where one is missing."""
    for name, table in tables.items():
        begin, end = BEGIN.format(name), END.format(name)
        if begin not in text or end not in text:
            raise InputError(f"The page has no {begin} and {end}: put both where the table belongs.")
        before, rest = text.split(begin, 1)
        text = f"{before}{begin}\n{table}\n{end}{rest.split(end, 1)[1]}"
    return text


def tables_of(measured: pd.DataFrame, options) -> dict[str, str]:
    """Every table of the page, by the name of its markers."""
    speeds, sizes = rates(measured), store_sizes(options.shard_size)
    shown = speeds.rename(columns={"core": "tokens/s of one core", "gpu": "tokens/s of one GPU"})
    shown = shown.map(lambda v: v if isinstance(v, str) else "not measured" if np.isnan(v) else f"{v:,.0f}")
    scaling = measured[[*SCALING]].astype(object).fillna("")
    manifest = (
        f"manifest.json has {sizes['manifest']:,.0f} bytes with {FEW:,} documents and {sizes['large manifest']:,.0f} with "
        f"{MANY:,}, beside about 2,000 for the certificate; shards.jsonl has {sizes['shard line']:,.0f} a shard, "
        f"ids.jsonl {sizes['id']:,.0f} a document."
    )
    return {
        "scaling": markdown(scaling),
        "rates": markdown(shown),
        "times": markdown(time_table(speeds, options)),
        "sizes": markdown(size_table(sizes, options)),
        "limits": markdown(limit_table(speeds, options)),
        "manifest": manifest,
    }


def parser() -> argparse.ArgumentParser:
    """The options, each with the default that the page is computed with."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("page", type=Path)
    options.add_argument("measured", type=Path)
    options.add_argument("--cores", type=int, default=32, help="of a machine")
    options.add_argument("--machines", type=int, default=32, help="of a cluster")
    options.add_argument("--share", type=float, default=0.8, help="of a core's speed that is left when all are busy")
    options.add_argument("--memory", type=int, default=64, help="GB of the process that reads the corpus")
    options.add_argument("--link", type=float, default=10, help="Gbit/s of the network")
    options.add_argument("--disk", type=float, default=1, help="GB/s of the file system")
    options.add_argument("--document-tokens", type=int, default=267, help="as 20 Newsgroups has them")
    options.add_argument("--text-bytes", type=float, default=5.4, help="of a token, as 20 Newsgroups has them")
    options.add_argument("--width", type=int, default=400, help="of a vector of one pooling")
    options.add_argument("--model-mb", type=int, default=44, help="of the reference model's folder")
    options.add_argument("--shard-size", type=int, default=4096)
    return options


def main() -> None:
    """Rewrite the tables of the page."""
    options = parser().parse_args()
    tables = tables_of(pd.read_csv(options.measured), options)
    text = with_tables(options.page.read_text(encoding="utf-8"), tables)
    with atomic_write(options.page) as file:
        file.write(text.encode())


if __name__ == "__main__":
    main()
