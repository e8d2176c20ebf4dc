"""The default recipe and its neighbours: perplexity and document vectors of models that differ in one setting.

Every point trains on the training documents of a corpus for the same number of passes, and is measured on them: V-measure of
k-means with the number of topics, same-topic precision@10 of 1,000 query documents, both under the mean and its IDF-weighted
form. The point "baselines" trains nothing: what the words alone give on the same documents. A row is stored as soon as it
is measured; points that the table has are not trained again, so it can be stopped. At the end a picture is drawn beside the
table for every corpus, number of documents and of passes that it holds.
"""

import argparse
import ast
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from unpadded import Corpus, DocumentEncoder, TrainingSettings, train
from unpadded.common import write_table
from unpadded.evaluation import (
    FitRecord,
    Representation,
    cluster_all,
    fasttext,
    lsa,
    rank_topics,
    static_vectors,
    tfidf,
    tokenized,
    training_documents,
    word_vectors,
)
from unpadded.report import method_names, recipe_points, save_figure
from unpadded.tokens import chosen_tokenizer, idf_weights

POINTS = {
    "default": {},
    "start as fastai": {"initial_embeddings": "random", "pass_through": 0.0},
    "LSA embeddings only": {"pass_through": 0.0},
    "pass-through only": {"initial_embeddings": "random"},
    "pass-through 2": {"pass_through": 2.0},
    "pass-through 8": {"pass_through": 8.0},
    "vocabulary 12,000": {"max_vocab": 12_000},
    "vocabulary 36,000": {"max_vocab": 36_000, "min_count": 2},
    "width 200": {"emb_sz": 200, "n_hid": 200},
    "two layers": {"n_layers": 2},
    "two layers, start as fastai": {"n_layers": 2, "initial_embeddings": "random", "pass_through": 0.0},
    "batch 64, window 35": {"batch_size": 64, "window": 35},
    "dropout 0.1": {"dropout": 0.1},
    "peak rate 3e-3": {"learning_rate": 3e-3},
    "full softmax": {"negatives": 0},
    "subword": {"tokenizer": "subword"},
    "backward": {"direction": "backward"},
    "both directions": {"direction": "both"},
    "width 200, both directions": {"emb_sz": 200, "n_hid": 200, "direction": "both"},
}


def measure(corpus: Corpus, changes: dict, epochs: int) -> list[dict]:
    """Train one point and score its vectors: a row per pooling."""
    changes = dict(changes)
    settings = replace(TrainingSettings(epochs=epochs), **{k: v for k, v in changes.items() if k != "tokenizer"})
    tokenizer = chosen_tokenizer(changes.get("tokenizer", "word"), corpus.texts, max_vocab=settings.max_vocab)
    tokens = tokenized(corpus, tokenizer)
    started = time.monotonic()
    lm = train(tokens, settings, tokenizer=tokenizer, progress=False)
    minutes = (time.monotonic() - started) / 60
    ids = list(tokens.with_vocab(lm.vocab))
    encoder = DocumentEncoder(lm).weighted(idf_weights(ids, len(lm.vocab)))
    arrays = encoder.encode_tokens(ids, pooling=["mean", "weighted_mean"])
    record = (FitRecord("language model", frozenset(corpus.ids)),)
    vectors = [
        Representation("lm", "mean", post, arrays[name], record)
        for name, post in (("mean", "none"), ("weighted_mean", "idf"))
    ]
    training = {
        "minutes": round(minutes, 2),
        "tokens": lm.card["tokens_seen"],
        "perplexity": round(lm.card["valid_perplexity"], 1),
    }
    return [training | row for row in score(corpus, vectors)]


def baselines(corpus: Corpus) -> list[dict]:
    """The scores of vectors that need no language model, made from the same documents: a row each."""
    tokens, everything = tokenized(corpus), np.arange(len(corpus))
    vocab = tokens.build_vocab(max_size=TrainingSettings().max_vocab, min_count=TrainingSettings().min_count)
    ids = list(tokens.with_vocab(vocab))
    words = tfidf(corpus.texts, corpus.ids, train=everything)
    vectors = [words, lsa(words, train=everything), static_vectors(corpus.texts)]
    vectors += [make(ids, len(vocab), corpus.ids, train=everything) for make in (word_vectors, fasttext)]
    return score(corpus, [made for made in vectors if made is not None])


def score(corpus: Corpus, vectors: list[Representation]) -> list[dict]:
    """V-measure and precision@10 of each, with their intervals."""
    clustering, _ = cluster_all(vectors, corpus.labels, corpus_name=corpus.name, ids=corpus.ids)
    ranking, _ = rank_topics(vectors, corpus.labels, corpus_name=corpus.name, ids=corpus.ids)
    scores = pd.concat([clustering, ranking])
    scores = scores[scores.metric.isin(["v_measure", "P@10"])].assign(name=method_names)
    return [
        {
            "pooling": name,
            **{row.metric: round(row.value, 4) for row in part.itertuples()},
            **{f"{row.metric} interval": f"{row.ci_low:.3f} to {row.ci_high:.3f}" for row in part.itertuples()},
        }
        for name, part in scores.groupby("name", sort=False)
    ]


def draw(table: Path) -> None:
    """A picture beside the table for each of its corpora, numbers of documents and of passes."""
    for (corpus, documents, epochs), rows in pd.read_csv(table).groupby(["corpus", "documents", "epochs"]):
        passes = "one pass" if epochs == 1 else f"{epochs} passes"
        figure = recipe_points(rows, f"{corpus}: {passes} over {documents:,} documents")
        save_figure(figure, table.with_name(f"{table.stem}-{corpus}-{documents}-{epochs}.png"))


def main() -> None:
    """Measure the points that the table lacks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", default="newsgroups")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--documents", type=int, default=0, help="a sample of so many (0: all)")
    parser.add_argument("--points", nargs="*", default=list(POINTS), choices=["baselines", *POINTS], metavar="POINT")
    parser.add_argument("--also", default="", metavar="DICT", help="settings that every point has, a Python literal")
    parser.add_argument("--table", type=Path, default=Path("outputs/reference/recipe.csv"))
    args = parser.parse_args()
    corpus = Corpus.load(args.corpus)
    corpus = corpus.select(training_documents(corpus))
    corpus = corpus.sample(args.documents, 0) if args.documents else corpus
    rows = pd.read_csv(args.table).to_dict("records") if args.table.exists() else []
    for point in args.points:
        key = {"corpus": corpus.name, "documents": len(corpus), "epochs": args.epochs, "point": point}
        if any(all(row[name] == value for name, value in key.items()) for row in rows):
            continue
        if point == "baselines":
            found = baselines(corpus)
        else:
            found = measure(corpus, (ast.literal_eval(args.also) if args.also else {}) | POINTS[point], args.epochs)
        rows += [key | {"threads": torch.get_num_threads()} | row for row in found]
        table = pd.DataFrame(rows)
        write_table(args.table, table)
        print(table.tail(len(found)).to_string(index=False, header=len(rows) == len(found)), flush=True)
    draw(args.table)


if __name__ == "__main__":
    main()
