"""Train on several processes or GPUs, started by accelerate's own launcher:

    accelerate launch --num_processes 2 -m unpadded.cli.train_distributed --corpus newsgroups --output outputs/lm epochs=4

Processes without a GPU: `accelerate launch --multi_gpu --num_processes 2 -m unpadded.cli.train_distributed --cpu ...` (the
launcher's word for several processes; its own `--cpu` starts one). The batch is divided among the processes. The same
command after a stop goes on from the last checkpoint. It leaves a language model's folder, as notebook 01 does.
"""

import argparse
import sys
from dataclasses import fields
from pathlib import Path

from unpadded.common import InputError
from unpadded.corpus import load_corpus
from unpadded.model import starting_point
from unpadded.training import TrainingSettings, rank, train


def main(arguments: list[str] | None = None) -> int:
    """Train as the arguments say; the exit status: 0 done, 2 wrong input, said in one line on stderr."""
    args = _parser().parse_args(arguments)
    try:
        settings = TrainingSettings(**settings_from(args.settings))
        _train(args, settings)
    except InputError as error:
        print(f"train_distributed: {error}", file=sys.stderr)
        return 2
    return 0


def settings_from(assignments: list[str]) -> dict:
    """{name: value} of training settings written name=value. Raises `InputError` for an unknown name or another type."""
    kinds, found = {field.name: field.type for field in fields(TrainingSettings)}, {}
    for assignment in assignments:
        name, _, text = assignment.partition("=")
        if name not in kinds:
            raise InputError(f"There is no training setting {name!r}: give one of {', '.join(kinds)}, as name=value.")
        try:
            found[name] = kinds[name](text)
        except ValueError as error:
            raise InputError(f"Training setting {name} is {text!r}: give a {kinds[name].__name__}.") from error
    return found


def _train(args: argparse.Namespace, settings: TrainingSettings) -> None:
    from unpadded.evaluation import tokenized, training_documents

    corpus = load_corpus(args.corpus, text=args.text, label=args.label, id=args.id)
    start = starting_point(args.start, direction=settings.direction)
    tokenizer = start.tokenizer if start else None
    tokens = tokenized(corpus, tokenizer).select(training_documents(corpus, settings.seed))
    lm = train(
        tokens,
        settings,
        tokenizer=tokenizer,
        start=start,
        about={"corpus": corpus.name, "corpus_fingerprint": corpus.fingerprint},
        checkpoints=Path(args.output) / "checkpoints",
        device="cpu" if args.cpu else None,
    )
    if not rank():
        print(f"{lm}: validation perplexity {lm.card['valid_perplexity']:.1f}, in {lm.save(args.output)}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="train_distributed", description=__doc__.split("\n\n")[0])
    add = parser.add_argument
    add("--corpus", required=True, metavar="NAME|PATH", help="a dataset's name, or your own documents")
    add("--output", required=True, metavar="DIR", help="folder for the language model")
    add("--start", default="", metavar="DIR|wt103", help="language model to go on from")
    add("--cpu", action="store_true", help="do not use a GPU")
    for column, default in (("text", "text"), ("label", ""), ("id", "")):
        add(f"--{column}", default=default, metavar="COLUMN", help=f"column of the {column}, in tables")
    add("settings", nargs="*", metavar="NAME=VALUE", help="training settings, for instance epochs=4")
    return parser


if __name__ == "__main__":
    sys.exit(main())
