"""A profile's vectors and scores of one corpus with several seeds, in one process, without what is only looked at.

    python benchmarks/seeds.py CORPUS --seeds 1 2 --output outputs/vectors     # then benchmarks/vectors.py outputs/vectors/*

Trains, extracts, tunes, chooses and scores as notebooks 01, 02, 10 and 06 to 08 do in `unpadded run --profile quick`, or in
another with `--profile`; leaves out maps, curves and pages. Each seed's folder is one that benchmarks/vectors.py reads.
Minutes limit the training, so the machine must have nothing else to do. `--add doc2vec` scores baselines beside a finished
seed's, without training anything.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from unpadded import DocumentEncoder, LanguageModel, TrainingSettings, TuningSettings, train, tune
from unpadded.common import OF_MODEL, read_json, write_json, write_table
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
from unpadded.evaluation.representations import AS_TRAINED, load, row_ids, save
from unpadded.report import find_classes, find_clusters, find_ranked
from unpadded.runs.profiles import EXTRACT, STAGES, TEACH, TRAIN
from unpadded.tokens import chosen_tokenizer

NOTEBOOK_WIDTHS = {"emb_sz": 400, "n_hid": 400, "n_layers": 1, "max_vocab": 24_000}  # defaults of notebook 01


def parameters_of(profile: str) -> dict[str, dict]:
    """Stage -> what the profile sets of its notebook's parameters."""
    return {stage.name: stage.parameters.get(profile, {}) for stage in STAGES}


def measure(corpus: Corpus, folder: Path, *, profile: str, seed: int, baselines: str | None) -> None:
    """One seed of one corpus, into `folder`: run.json, scores.csv, choice.csv, recommended.json, tests/.

    baselines: comma separated; None: the profile's.
    """
    began, taken, set_by = time.monotonic(), {}, parameters_of(profile)
    to_extract, to_teach = set_by[EXTRACT], set_by[TEACH]

    def done(stage: str) -> None:
        taken[stage] = time.monotonic() - began - sum(taken.values())
        print(f"{corpus.name}, seed {seed}: {stage} after {taken[stage]:.0f} s", flush=True)

    read = training_documents(corpus, seed)
    tokenizer = tokenizer_of(corpus, read)
    tokens = tokenized(corpus, tokenizer)
    limits = {name: set_by[TRAIN][name] for name in ("epochs", "max_minutes", "patience") if name in set_by[TRAIN]}
    settings = TrainingSettings(**NOTEBOOK_WIDTHS, **limits, seed=seed)
    valid = validation_tokens(corpus, tokens, seed=seed)
    lm = train(tokens.select(read), settings, tokenizer=tokenizer, valid=valid, progress=False)
    done(TRAIN)
    learned = [corpus.ids[i] for i in read]
    encoder = DocumentEncoder(lm, pooling="concat", precision=to_extract.get("precision", "float32"))
    baselines = to_extract.get("baselines", "") if baselines is None else baselines
    extract(corpus, encoder, folder, trained_on=learned, baselines=baselines, seed=seed)
    done(EXTRACT)
    read, asked = tuning_documents(corpus, seed)
    settings = TuningSettings(
        max_minutes=to_teach["tune_minutes"], epochs=60, pooling="weighted_mean", seed=seed
    )  # epochs and pooling: defaults of notebook 10
    tuned = tune(lm, tokens.select(read), settings, valid=tokens.select(asked), progress=False)
    encoder = DocumentEncoder(tuned, precision=to_teach.get("precision", "float32"))
    extract_tuned(corpus, encoder, folder, trained_on=[corpus.ids[i] for i in read], seed=seed)
    write_recommended(choose(corpus, folder, postprocesses=to_teach.get("postprocesses", ""), seed=seed), folder)
    cards = {"language_model": lm.card, "tuning": tuned.card["tuning"]}
    done(TEACH)
    score(corpus, folder, profile=profile, seed=seed, done=done)
    about = {"corpus": corpus.name, "profile": profile, "seed": seed}
    write_json(folder / "run.json", about | {"seconds": taken, "cards": cards})


def add(corpus: Corpus, folder: Path, *, seed: int, baselines: str) -> None:
    """Put `baselines`, comma separated, beside or in place of those that a measured seed has, and score all of it again.

    Of the language model they take the vocabulary alone: none that needs its embeddings can be added.
    """
    read = training_documents(corpus, seed)
    tokenizer = tokenizer_of(corpus, read)
    kept, settings = tokenized(corpus, tokenizer).select(read), TrainingSettings(**NOTEBOOK_WIDTHS)
    vocab = kept.build_vocab(max_size=settings.max_vocab, min_count=settings.min_count)
    small = LanguageModel.new(vocab, {"emb_sz": 8, "n_hid": 8, "n_layers": 1}, tokenizer=tokenizer)
    there = folder / AS_TRAINED / corpus.name
    stores = [there / store for store in read_json(there / "index.json")["representations"][0]["stores"]]
    with TemporaryDirectory() as scratch:
        made = extract(corpus, DocumentEncoder(small, pooling="concat"), scratch, baselines=baselines, seed=seed)
        made = {each.method: each for each in made if each.method not in OF_MODEL}
        had = load(there)
        others = {each.method: each for each in had if each.method not in OF_MODEL}
        stored = [each for each in had if each.method in OF_MODEL]
        save([*(others | made).values()], there, stored=stored, stores=stores, ids=row_ids(corpus))
    score(corpus, folder, profile=read_json(folder / "run.json")["profile"], seed=seed, done=print)


def tokenizer_of(corpus: Corpus, read: Sequence[int] | np.ndarray):
    """The tokenizer of notebook 01, of the documents that a model has `read`: positions."""
    return chosen_tokenizer("word", [corpus.texts[i] for i in read], max_vocab=NOTEBOOK_WIDTHS["max_vocab"])


def score(corpus: Corpus, run: Path, *, profile: str, seed: int, done) -> None:
    """Scores of the corpus's tasks into `run`/scores.csv, and the tests of what is recommended into `run`/tests."""
    options = {"postprocesses": parameters_of(profile)["06_clustering"].get("postprocesses", ""), "seed": seed}
    with_topics = len(corpus.topics) > 1
    find = {
        "06_clustering": lambda: [find_clusters(corpus, run, **options)] if with_topics else [],
        "07_ranking": lambda: find_ranked(corpus, run, **options),
        "08_classification": lambda: [find_classes(corpus, run, **options)] if with_topics else [],
    }
    scores = []
    for stage, found_by in find.items():
        for found in found_by():
            task = found.name.removeprefix(corpus.name).removeprefix(",")  # of a ranking
            write_table(run / "tests" / f"{stage}{task}.csv", found.tests())
            scores.append(found.scores)
        done(stage)
    write_scores(concatenate(scores), run / "scores.csv")


def main() -> None:
    """Measure the corpus with each seed that has no result yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", help="a dataset's name, or the path of documents")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--output", type=Path, default=Path("outputs/vectors"))
    parser.add_argument("--profile", choices=["smoke", "quick", "reference"], default="quick")
    parser.add_argument("--baselines", help="comma separated (default: the profile's)")
    parser.add_argument("--add", metavar="BASELINES", help="comma separated: score these beside what each seed has")
    args = parser.parse_args()
    for seed in args.seeds:
        corpus = load_corpus(args.corpus, seed=seed)
        folder = args.output / f"{corpus.name}-{seed}"
        if args.add:
            add(corpus, folder, seed=seed, baselines=args.add)
        elif not (folder / "run.json").is_file():
            measure(corpus, folder, profile=args.profile, seed=seed, baselines=args.baselines)


if __name__ == "__main__":
    main()
