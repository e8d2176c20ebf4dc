"""Values that the sub-commands of the command line take."""

import argparse
import sys
from pathlib import Path

from unpadded.common import InputError


def lines_of(name: str, what: str) -> list[str]:
    """The lines of a UTF-8 file (-: standard input) that are not blank; `InputError` says `what` could not be read.

    A line ends at a line feed, or at a carriage return and a line feed: a text may hold U+2028, a form feed and what
    else Python splits at.
    """
    try:
        content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        lines = content.decode("utf-8-sig").replace("\r\n", "\n").split("\n")
    except OSError as error:
        raise InputError(f"The {what} in {name} cannot be read ({error.strerror}): give a text file.") from None
    except UnicodeDecodeError as error:
        raise InputError(f"The {what} in {name} are not UTF-8 (byte {error.start}): save the file as UTF-8.") from None
    return [line for line in lines if line.strip()]


def add_reading_options(parser: argparse.ArgumentParser) -> None:
    """Add to a sub-command's parser how a file is read where that has to be said."""
    add = parser.add_argument
    add("--encoding", metavar="NAME", help="of the files, for instance cp1252 (default: UTF-8, or what is found out)")
    add(
        "--delimiter", metavar="CHARACTER", help="between a table's cells, for instance ';' or tab (default: found out)"
    )
    add(
        "--no-heading",
        action="store_true",
        help="a table has no row of column names: give the columns' numbers, from 1",
    )


def reading_of(args: argparse.Namespace) -> dict:
    """What was said with these options, as keyword arguments of `Corpus.load`; nothing where nothing was."""
    said = {"encoding": args.encoding, "delimiter": args.delimiter, "heading": False if args.no_heading else None}
    return {name: value for name, value in said.items() if value is not None}


def positive_number(text: str) -> int:
    """A whole number from 1 on, for argparse; raises `ValueError` for anything else."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


positive_number.__name__ = "positive number"  # argparse puts it into its message
