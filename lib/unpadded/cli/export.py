"""`unpadded export`: what a run has made, in the form that other programs read."""

import argparse
import shlex
import sys
from pathlib import Path


def add_export_parser(commands) -> argparse.ArgumentParser:
    """Add the parser of the command; return it."""
    parser = commands.add_parser(
        "export",
        help="write a run's documents, vectors and map for embedding-atlas",
        description="Write a Parquet file of a run's documents with their vectors, map and nearest neighbours, which "
        "embedding-atlas opens.",
    )
    add = parser.add_argument
    add("folder", type=Path, metavar="DIR", help="a run's folder")
    add("--atlas", type=Path, required=True, metavar="FILE.parquet", help="the file to write")
    add("--corpus", default="", metavar="NAME", help="one of the corpora that the run embedded (default: its own)")
    add("--pooling", default="mean", metavar="NAME", help="last, mean, max or weighted_mean (default: mean)")
    return parser


def run_export(args: argparse.Namespace) -> int:
    """Write the file and say how to open it; the exit status 0. Raises `InputError` for wrong input."""
    from unpadded.explore.atlas import export_atlas  # takes seconds to import, which `unpadded --help` should not

    n = export_atlas(args.folder, args.atlas, corpus=args.corpus, pooling=args.pooling, say=_say)
    print(f"{n:,} documents in {args.atlas}; to look at them:")
    print(
        f"embedding-atlas {shlex.quote(str(args.atlas))} --text text --x projection_x --y projection_y --neighbors neighbors"
    )
    return 0


def _say(sentence: str) -> None:
    print(f"unpadded export: {sentence}", file=sys.stderr)
