"""What vectors cost: minutes once, and milliseconds a document after that, on this machine, of a finished run and its rivals.

    python benchmarks/vector_cost.py outputs/quick

The model's own need its training and teaching once; LSA is fitted on the corpus; MiniLM was trained by others, for longer than
anybody here can. Each turn reads the same documents, drawn at random, text to vector; a row holds the fastest of its turns.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from unpadded import Corpus, DocumentEncoder, LanguageModel
from unpadded.common import write_table
from unpadded.evaluation import lsa, minilm, static_vectors, tfidf


def costs(run: Path, texts: list[str], *, turns: int) -> pd.DataFrame:
    """One row a kind of vectors: minutes once (NaN: by others), milliseconds a document, documents."""
    lm = LanguageModel.load(run / "tuned_model")
    once = {"lm_tuned": lm.card["minutes"] + lm.card["tuning"]["minutes"]}
    start = time.perf_counter()
    everywhere = np.arange(len(texts))
    lsa(tfidf(texts, [str(i) for i in everywhere], train=everywhere), train=everywhere)
    fitting = time.perf_counter() - start
    pretrained = minilm()
    ways: dict[str, Callable] = {
        f"lm_tuned, {precision}": DocumentEncoder(lm, precision=precision).encode for precision in ("float32", "auto")
    }
    ways |= {"wordllama": static_vectors, "minilm": lambda texts: pretrained.encode(texts, show_progress_bar=False)}
    taken = dict.fromkeys(ways, np.inf)
    for _ in range(turns):
        for name, encode in ways.items():  # in turn, so that a slow time of the machine is everybody's
            start = time.perf_counter()
            encode(texts)
            taken[name] = min(taken[name], time.perf_counter() - start)
    rows = [(name, once.get(name.split(",")[0], np.nan), 1e3 * spent / len(texts)) for name, spent in taken.items()]
    rows.append(("lsa, fitted on these documents", 0.0, 1e3 * fitting / len(texts)))
    table = pd.DataFrame(rows, columns=["vectors", "minutes once", "ms a document"])
    return table.assign(documents=len(texts), words=int(np.mean([len(text.split()) for text in texts])))


def main() -> None:
    """Read the options, measure, print the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("--corpus", default="newsgroups", help="whose documents are read; best the run's own")
    parser.add_argument("--documents", type=int, default=500)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--table", type=Path, default=Path("outputs/reference/vector_cost.csv"))
    args = parser.parse_args()
    corpus = Corpus.load(args.corpus)
    drawn = np.random.default_rng(0).permutation(len(corpus))[: args.documents]
    table = costs(args.run, [corpus.texts[i] for i in drawn], turns=args.turns)
    table = table.assign(corpus=corpus.name, threads=torch.get_num_threads())
    write_table(args.table, table.round(3))
    print(table.round(2).to_string(index=False))


if __name__ == "__main__":
    main()
