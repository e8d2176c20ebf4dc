"""A model and a corpus on disk for the tests of embedding jobs, and what such a job leaves in its folder."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from unpadded.model.language_model import LanguageModel

VOCAB = "xxunk xxpad xxbos xxeos xxfld xxrep xxwrep xxup xxmaj the cat sat on a mat".split()


def write_files(folder: Path, *, emb_sz: int, n_hid: int, n_documents: int, longest: int) -> Path:
    """`folder` with a random model of two layers in `model`, and texts of 1 to `longest` words in `corpus.csv`."""
    torch.manual_seed(1)
    LanguageModel.new(VOCAB, {"emb_sz": emb_sz, "n_hid": n_hid, "n_layers": 2}).save(folder / "model")
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(VOCAB[9:], size=n)) for n in random.integers(1, longest + 1, size=n_documents)]
    pd.DataFrame({"text": texts}).to_csv(folder / "corpus.csv", index=False)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Every byte of a set but the seconds that it took."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "timings.csv")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def shards_listed(folder: Path) -> int:
    """How many shards a job has finished so far."""
    listed = folder / "shards.jsonl"
    return listed.read_bytes().count(b"\n") if listed.exists() else 0
