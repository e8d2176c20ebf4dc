"""What fewer bits cost a trained model: perplexity, and the vectors' clustering and ranking, one precision beside the other.

    unpadded run --profile quick --output outputs/quick
    python benchmarks/precisions.py outputs/quick --judged FOLDER      # documents with judged queries, in the layout of BEIR

Perplexity: every document of the corpus's test part alone, from the state of nothing, each of its tokens but the first.
Vectors: mean, each divided by its length. V-measure: k-means with as many clusters as topics, mean over seeds. P@10: of each
document's ten nearest by cosine, those of its topic. nDCG@10: of judged documents, ranked by cosine. Nothing is learned here.
"""

import argparse
from pathlib import Path

import ir_measures
import numpy as np
import pandas as pd
import torch
from sklearn.cluster import KMeans
from sklearn.metrics import v_measure_score

from unpadded import Corpus, DocumentEncoder, LanguageModel
from unpadded.common import InputError, write_table
from unpadded.encoding.engine.tiled import TiledLSTM

PRECISIONS = ("float32", "bfloat16", "int8")
READ = 150_000  # tokens that perplexity is measured on


def perplexity(lm: LanguageModel, precision: str, documents: list[np.ndarray]) -> float:
    """Of the model with its products rounded to `precision`; the decoder stays in float32."""
    engine, decoder = TiledLSTM(lm.awd_lstm, dtype=getattr(torch, precision)), lm.module[1].decoder
    losses, n_tokens = 0.0, 0
    for tokens in documents:
        if len(tokens) < 2 or n_tokens > READ:
            continue
        ids = torch.from_numpy(np.asarray(tokens, np.int64))
        with torch.no_grad():
            logits = decoder(torch.from_numpy(engine.states(ids[:-1].numpy())))
            losses += torch.nn.functional.cross_entropy(logits, ids[1:], reduction="sum").item()
        n_tokens += len(tokens) - 1
    return float(np.exp(losses / n_tokens))


def unit_vectors(lm: LanguageModel, precision: str, texts: list[str]) -> np.ndarray:
    """float32 [n, width], each of length 1."""
    vectors = DocumentEncoder(lm, "mean", precision=precision).encode(texts)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def of_topics(vectors: np.ndarray, topics: np.ndarray, seeds: int = 3) -> dict[str, float]:
    """V-measure and P@10."""
    found = [KMeans(len(set(topics)), n_init=1, random_state=seed).fit_predict(vectors) for seed in range(seeds)]
    hits = []
    for rows in np.array_split(np.arange(len(vectors)), len(vectors) // 1000 + 1):
        cosines = vectors[rows] @ vectors.T
        cosines[np.arange(len(rows)), rows] = -np.inf
        nearest = np.argpartition(-cosines, 10, axis=1)[:, :10]
        hits.append((topics[nearest] == topics[rows][:, None]).mean(axis=1))
    return {
        "v_measure": float(np.mean([v_measure_score(topics, clusters) for clusters in found])),
        "precision_at_10": float(np.concatenate(hits).mean()),
    }


def of_judged(lm: LanguageModel, precision: str, folder: Path) -> dict[str, float]:
    """nDCG@10 of a folder with judged queries."""
    corpus = Corpus.load(str(folder))
    documents = unit_vectors(lm, precision, corpus.texts)
    queries = unit_vectors(lm, precision, list(corpus.queries.values()))
    run = []
    for name, scores in zip(corpus.queries, queries @ documents.T, strict=True):
        run += [ir_measures.ScoredDoc(name, corpus.ids[i], float(scores[i])) for i in np.argsort(-scores)[:100]]
    qrels = [
        ir_measures.Qrel(q, d, int(grade)) for q, judged in corpus.relevance.items() for d, grade in judged.items()
    ]
    return {"ndcg_at_10": ir_measures.calc_aggregate([ir_measures.nDCG @ 10], qrels, run)[ir_measures.nDCG @ 10]}


def main() -> None:
    """Measure each precision that this processor has, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--corpus", default="newsgroups", help="one with topics and a test part")
    parser.add_argument("--judged", type=Path)
    parser.add_argument("--table", type=Path, default=Path("outputs/reference/speed/precisions.csv"))
    args = parser.parse_args()
    lm = LanguageModel.load(args.run / "language_model")
    corpus = Corpus.load(args.corpus)
    rows = [i for i, part in enumerate(corpus.split) if part == "test" and corpus.labels[i] is not None]
    texts, topics = [corpus.texts[i] for i in rows], np.array([corpus.labels[i] for i in rows])
    documents, table = list(lm.numericalize(texts)), []
    for precision in PRECISIONS:
        try:
            row = {"precision": precision, "perplexity": perplexity(lm, precision, documents)}
        except InputError as error:
            print(error)
            continue
        row |= of_topics(unit_vectors(lm, precision, texts), topics)
        table.append(row | (of_judged(lm, precision, args.judged) if args.judged else {}))
        print(table[-1], flush=True)
    frame = pd.DataFrame(table).round(4)
    write_table(args.table, frame)
    print(frame.to_string(index=False))


if __name__ == "__main__":
    main()
