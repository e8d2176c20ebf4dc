"""The sub-command `unpadded certify`: does somebody's encoder depend on the batch?"""

import argparse
import json
import sys
from importlib import import_module

from unpadded.cli.values import lines_of, positive_number
from unpadded.common import VERDICTS, InputError, with_type


def add_certify_parser(subparsers) -> argparse.ArgumentParser:
    """Add `certify` to the sub-commands of an argument parser."""
    parser = subparsers.add_parser(
        "certify",
        help="find out whether an encoder depends on the batch",
        description="Encode texts alone and in batches of every shape, and say what a batch changes, how much, and why. "
        "The exit status is 1 where the verdict is worse than --at-most.",
    )
    add = parser.add_argument
    add(
        "encoder",
        metavar="MODULE:NAME",
        help="a function from a list of texts to rows, or an object with encode or transform; modules here are found",
    )
    add("--texts", required=True, metavar="FILE|DIR|NAME", help="CSV, TSV, JSONL, Parquet, TXT, folder")
    add("--column", default="text", metavar="NAME", help="of the text (default: text)")
    add("--at-most", default="rounding", choices=VERDICTS, metavar="VERDICT", help="still fine (default: rounding)")
    add("--max-calls", type=positive_number, metavar="N", help="calls of the encoder (default: 1500)")
    add("--sample", type=positive_number, metavar="N", help="texts that are tried (default: 32)")
    add("--precision", metavar="NAME", help="it computes in: float32, tf32, bfloat16, float16 (default: what one sees)")
    add("--json", action="store_true", help="print all that was found as one JSON object")
    add("--smallest", metavar="FILE", help="save the smallest example as JSON, where there is one")
    add("--picture", metavar="FILE", help="save the picture, as .png, .svg or .pdf")
    return parser


def run_certify(args: argparse.Namespace) -> int:
    """Certify as the arguments say; the exit status: 0, or 1 where the verdict is worse than `--at-most`.

    Raises `InputError` for wrong input.
    """
    encoder = named_encoder(args.encoder)
    from unpadded.encoding import certify  # takes seconds to import, which `unpadded --help` should not

    options = {"max_calls": args.max_calls, "sample": args.sample, "precision": args.precision}
    texts = _texts(args.texts, args.column)
    report = certify(encoder, texts, **{name: value for name, value in options.items() if value is not None})
    print(json.dumps(report.to_dict()) if args.json else report)
    if args.smallest and report.example:
        report.save_smallest(args.smallest)
    if args.picture:
        _save_picture(report, args.picture)
    return int(report.worse_than(args.at_most))


def named_encoder(name: str):
    """The object of a module: `package.module:name` or `module:name.attribute`, with the working directory on the path.

    Raises `InputError` for another form, and for what cannot be imported or is not there.
    """
    module, colon, path = name.partition(":")
    if not (module and colon and path):
        raise InputError(f"The encoder {name!r} is not MODULE:NAME: give for instance my_module:model.")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        found = import_module(module)
    except Exception as error:  # whatever a stranger's module raises
        raise InputError(f"The module {module} cannot be imported ({with_type(error)}).") from error
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise InputError(
                f"The module {module} has no {path!r}: give the name of a function or an object."
            ) from None
    return found


def _texts(source: str, column: str) -> list[str]:
    from unpadded.corpus import Corpus

    return lines_of(source, "texts") if source.lower().endswith(".txt") else Corpus.load(source, text=column).texts


def _save_picture(report, path: str) -> None:
    try:
        report.plot().savefig(path)
    except ValueError as error:
        raise InputError(f"The picture {path} cannot be saved ({error}): name it .png, .svg or .pdf.") from None
