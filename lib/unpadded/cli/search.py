"""The sub-command `unpadded search`: a query in, the nearest documents of a folder of embeddings out."""

import argparse
import json
import sys

from unpadded.cli.values import lines_of, positive_number
from unpadded.common import InputError


def add_search_parser(subparsers) -> argparse.ArgumentParser:
    """Add `search` to the sub-commands of an argument parser."""
    parser = subparsers.add_parser(
        "search",
        help="find the documents nearest to a query",
        description="Print the documents whose vectors are nearest to the query's by cosine, best first.",
    )
    add = parser.add_argument
    add("queries_given", nargs="*", metavar="QUERY", help="what to look for, one argument a query")
    add("--embeddings", required=True, metavar="DIR", help="folder made by 'unpadded embed'")
    add("-k", type=positive_number, default=10, metavar="N", help="documents for each query (default: 10)")
    add("--pooling", metavar="NAME", help="last, mean, max or concat (default: mean, if it is there)")
    add("--model", metavar="DIR", help="the model that made them (default: where it lay then)")
    add("--queries", metavar="FILE", help="more queries, one a line, UTF-8 (-: standard input)")
    add("--json", action="store_true", help="one JSON object a line: query, rank, score, id, words")
    add(
        "--exact-up-to",
        type=int,
        default=200_000,
        metavar="N",
        help="compare every document up to N of them; above, use an approximate index (default: 200000)",
    )
    return parser


def run_search(args: argparse.Namespace) -> int:
    """Search as the arguments say and print what is found; the exit status 0. Raises `InputError` for wrong input."""
    queries = args.queries_given + (lines_of(args.queries, "queries") if args.queries else [])
    if not queries:
        raise InputError("There is no query: give one, or a file of them with --queries.")
    from unpadded.embeddings import DocumentSearch  # takes seconds to import, which `unpadded --help` should not

    search = DocumentSearch.open(
        args.embeddings, model=args.model, pooling=args.pooling, exact_up_to=args.exact_up_to, say=_say
    )
    for query, found in zip(queries, _by_query(search, queries, args.k), strict=True):
        if search.unknown(query):
            _say(f"the model knows no word of {query!r}: what is found means nothing")
        if args.json:
            _print_json(found)
        else:
            _print_table(query if len(queries) > 1 else "", found)
    return 0


def _by_query(search, queries: list[str], k: int):
    """Yield one table a query; a batch of them is searched at a time, so the first are printed before the last are read."""
    from unpadded.embeddings import QUERIES_AT_ONCE

    for first in range(0, len(queries), QUERIES_AT_ONCE):
        batch = queries[first : first + QUERIES_AT_ONCE]
        found = search.search(batch, k=k)
        asked, ranks, first_row = found["query"].tolist(), found["rank"].tolist(), 0
        for query in batch:  # an approximate index may find fewer for one query than for the next, or none
            end = first_row
            while end < len(found) and asked[end] == query and ranks[end] == end - first_row + 1:
                end += 1
            yield found[first_row:end]
            first_row = end


def _print_json(found) -> None:
    for row in found.to_dict("records"):
        print(json.dumps(row))


def _print_table(heading: str, found) -> None:
    if heading:
        print(f"\n{_printable(heading)}")
    width = max((len(_printable(id)) for id in found["id"]), default=0)
    for row in found.itertuples():
        print(f"{row.rank:>3}  {row.score:.4f}  {_printable(row.id):<{width}}  {_printable(row.words)}".rstrip())


def _printable(text: str) -> str:
    """`text` without what would move a terminal's cursor or cannot be encoded."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _say(sentence: str) -> None:
    print(f"unpadded search: {sentence}", file=sys.stderr)
