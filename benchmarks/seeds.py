"""The quick profile's vectors and scores of one corpus with several seeds, in one process, without what is only looked at.

    python benchmarks/seeds.py CORPUS --seeds 1 2 --output outputs/vectors     # then benchmarks/vectors.py outputs/vectors/*

Trains, extracts, tunes, chooses and scores as notebooks 01, 02, 10 and 06 to 08 do in `unpadded run --profile quick`; leaves
out maps, curves and pages. Each seed's folder is one that benchmarks/vectors.py reads. Minutes limit the training, so the
machine must have nothing else to do.
"""

import argparse
import time
from pathlib import Path

from unpadded import DocumentEncoder, TrainingSettings, TuningSettings, train, tune
from unpadded.common import write_json, write_table
from unpadded.corpus import Corpus, load_corpus
from unpadded.evaluation import (
    choose,
    concatenate,
    extract,
    extract_tuned,
    tokenized,
    training_documents,
    tuning_documents,
    validation_tokens,
    write_recommended,
    write_scores,
)
from unpadded.report import find_classes, find_clusters, find_ranked
from unpadded.runs.profiles import EXTRACT, STAGES, TEACH, TRAIN
from unpadded.tokens import chosen_tokenizer

QUICK = {stage.name: stage.parameters["quick"] for stage in STAGES if "quick" in stage.parameters}
NOTEBOOK_WIDTHS = {"emb_sz": 400, "n_hid": 400, "n_layers": 1, "max_vocab": 24_000}  # defaults of notebook 01


def measure(corpus: Corpus, folder: Path, *, seed: int, baselines: str) -> None:
    """One seed of one corpus, into `folder`: run.json, scores.csv, choice.csv, recommended.json, tests/."""
    began, taken = time.monotonic(), {}

    def done(stage: str) -> None:
        taken[stage] = time.monotonic() - began - sum(taken.values())
        print(f"{corpus.name}, seed {seed}: {stage} after {taken[stage]:.0f} s", flush=True)

    read = training_documents(corpus, seed)
    tokenizer = chosen_tokenizer("word", [corpus.texts[i] for i in read], max_vocab=NOTEBOOK_WIDTHS["max_vocab"])
    tokens = tokenized(corpus, tokenizer)
    limits = {name: QUICK[TRAIN][name] for name in ("epochs", "max_minutes", "patience")}
    settings = TrainingSettings(**NOTEBOOK_WIDTHS, **limits, seed=seed)
    valid = validation_tokens(corpus, tokens, seed=seed)
    lm = train(tokens.select(read), settings, tokenizer=tokenizer, valid=valid, progress=False)
    done(TRAIN)
    learned = [corpus.ids[i] for i in read]
    encoder = DocumentEncoder(lm, pooling="concat", precision=QUICK[EXTRACT]["precision"])
    extract(corpus, encoder, folder, trained_on=learned, baselines=baselines, seed=seed)
    done(EXTRACT)
    read, asked = tuning_documents(corpus, seed)
    settings = TuningSettings(
        max_minutes=QUICK[TEACH]["tune_minutes"], epochs=60, pooling="weighted_mean", seed=seed
    )  # epochs and pooling: defaults of notebook 10
    tuned = tune(lm, tokens.select(read), settings, valid=tokens.select(asked), progress=False)
    encoder = DocumentEncoder(tuned, precision=QUICK[TEACH]["precision"])
    extract_tuned(corpus, encoder, folder, trained_on=[corpus.ids[i] for i in read], seed=seed)
    write_recommended(choose(corpus, folder, postprocesses=QUICK[TEACH]["postprocesses"], seed=seed), folder)
    cards = {"language_model": lm.card, "tuning": tuned.card["tuning"]}
    done(TEACH)
    scores = []
    for found in score(corpus, folder, seed=seed, done=done):
        scores.append(found)
        write_scores(concatenate(scores), folder / "scores.csv")
    write_json(folder / "run.json", {"corpus": corpus.name, "seed": seed, "seconds": taken, "cards": cards})


def score(corpus: Corpus, run: Path, *, seed: int, done):
    """The tables of scores of the tasks that the corpus has; the tests of what is recommended go to `run`/tests."""
    options = {"postprocesses": QUICK["06_clustering"]["postprocesses"], "seed": seed}
    with_topics = len(corpus.topics) > 1
    find = {
        "06_clustering": lambda: [find_clusters(corpus, run, **options)] if with_topics else [],
        "07_ranking": lambda: find_ranked(corpus, run, **options),
        "08_classification": lambda: [find_classes(corpus, run, **options)] if with_topics else [],
    }
    for stage, found_by in find.items():
        for found in found_by():
            task = found.name.removeprefix(corpus.name).removeprefix(",")  # of a ranking
            write_table(run / "tests" / f"{stage}{task}.csv", found.tests())
            yield found.scores
        done(stage)


def main() -> None:
    """Measure the corpus with each seed that has no result yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", help="a dataset's name, or the path of documents")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--output", type=Path, default=Path("outputs/vectors"))
    parser.add_argument("--baselines", default=QUICK[EXTRACT]["baselines"], help="comma separated")
    args = parser.parse_args()
    for seed in args.seeds:
        corpus = load_corpus(args.corpus, seed=seed)
        folder = args.output / f"{corpus.name}-{seed}"
        if not (folder / "run.json").is_file():
            measure(corpus, folder, seed=seed, baselines=args.baselines)


if __name__ == "__main__":
    main()
