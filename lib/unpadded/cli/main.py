"""The command line: `unpadded run | embed | search | certify | sweep | report | export`."""

import argparse
import os
import sys
from pathlib import Path

from unpadded import __version__
from unpadded.cli.certify import add_certify_parser, run_certify
from unpadded.cli.embed import add_embed_parser, run_embed
from unpadded.cli.export import add_export_parser, run_export
from unpadded.cli.search import add_search_parser, run_search
from unpadded.cli.sweep import add_sweep_parser, run_sweep
from unpadded.cli.values import add_reading_options, reading_of
from unpadded.common import ENVIRONMENT, NO_LABEL, InputError, set_defaults
from unpadded.runs import DEFAULT_CORPUS, PROFILES

DONE, FAILED, WRONG_INPUT = 0, 1, 2


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status: 0 done, 2 the caller's input is wrong, 1 anything else."""
    args = _parser().parse_args(arguments)
    set_defaults(ENVIRONMENT)
    try:
        return args.command(args)
    except InputError as error:
        print(f"unpadded: {error}", file=sys.stderr)
        return WRONG_INPUT
    except BrokenPipeError:  # the reader of our output has gone, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:
        print(f"unpadded: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("unpadded: stopped; the same command goes on from here", file=sys.stderr)
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="unpadded", description="Document vectors from a fastai language model that do not depend on the batch."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run_parser(commands)
    add_embed_parser(commands).set_defaults(command=run_embed)
    add_search_parser(commands).set_defaults(command=run_search)
    add_certify_parser(commands).set_defaults(command=run_certify)
    add_sweep_parser(commands).set_defaults(command=run_sweep)
    report = commands.add_parser(
        "report", help="write the HTML pages of a run or sweep again, with the prose of the source notebooks"
    )
    report.add_argument("folder", type=Path, metavar="DIR", help="a run's folder, or a sweep's")
    report.set_defaults(command=_report)
    add_export_parser(commands).set_defaults(command=run_export)
    return parser


def _add_run_parser(commands) -> None:
    run = commands.add_parser(
        "run",
        help="train, extract, evaluate: execute the notebooks",
        description="Execute the notebooks into a folder. What is there and unchanged is reused; a stopped run goes on.",
    )
    add = run.add_argument
    add("--corpus", default=DEFAULT_CORPUS, metavar="NAME|PATH", help=f"default: {DEFAULT_CORPUS}")
    add("--text", default="text", metavar="COLUMN", help="column of the text (default: text)")
    add("--label", metavar="COLUMN", help='column of the topic (default: label, if there is one; "": without topics)')
    add("--id", default="", metavar="COLUMN", help="column of the document id (default: id, if there is one)")
    add_reading_options(run)
    add("--profile", choices=PROFILES, default="quick", help="how large (default: quick)")
    add("--output", type=Path, metavar="DIR", help="default: outputs/PROFILE")
    add(
        "--studies",
        action="store_true",
        help="with the quick profile, execute notebooks 03 to 05 too (about 10 minutes more)",
    )
    add(
        "-p",
        "--parameter",
        action="append",
        default=[],
        metavar="STAGE.NAME=VALUE",
        help="set a notebook's parameter, for instance 01_train_language_model.epochs=5",
    )
    add(
        "--also",
        default="",
        metavar="NAME|PATH,...",
        help="further corpora, comma separated, encoded with the same model and scored beside the first",
    )
    add(
        "--check",
        action="store_true",
        help="say how the corpus is understood, what would be measured and what not, about how long it takes, and stop",
    )
    run.set_defaults(command=_run)


def _run(args: argparse.Namespace) -> int:
    from unpadded.runs import skip_uri_grammar

    skip_uri_grammar()
    from unpadded.runs import NOTEBOOKS, CorpusChoice, NotebookError, Run, read_overrides

    label = NO_LABEL if args.label == "" else args.label or ""
    choice = CorpusChoice(args.corpus, args.text, label, args.id, reading=reading_of(args))
    run = Run(
        args.output or Path("outputs") / args.profile,
        choice,
        args.profile,
        overrides=read_overrides(args.parameter, NOTEBOOKS),
        also=args.also,
        studies=args.studies,
        say=lambda line: print(f"{line}\n", end="", flush=True),  # in one piece: stages end side by side
    )
    if args.check:
        sys.stdout.reconfigure(errors="replace")  # examples can hold what the terminal's encoding does not
        print(*run.check(), sep="\n")
        return DONE
    try:
        index = run.execute()
    except NotebookError as error:
        print(f"unpadded run: {error}", file=sys.stderr)
        return FAILED
    print(f"open {os.path.relpath(index)}")
    return DONE


def _report(args: argparse.Namespace) -> int:
    from unpadded.runs import skip_uri_grammar

    skip_uri_grammar()
    from unpadded.report import EXECUTED, is_sweep, write_report, write_sweep_report
    from unpadded.runs import NOTEBOOKS

    write = write_sweep_report if is_sweep(args.folder) else write_report
    if write is write_report and not any(args.folder.glob(EXECUTED)):
        raise InputError(f"{args.folder} holds no executed notebook: give the folder of a run or of a sweep.")
    print(f"open {os.path.relpath(write(args.folder, sources=NOTEBOOKS))}")
    return DONE


if __name__ == "__main__":
    sys.exit(main())
