"""The sub-command `unpadded search`: a query in, the nearest documents of a folder of embeddings out.

By vectors, by words, or by both; of each result it says what found it.
"""

import argparse
import json
import sys

from unpadded.cli.values import lines_of, positive_number
from unpadded.common import SEARCHED_BY, InputError


def add_search_parser(subparsers) -> argparse.ArgumentParser:
    """Add `search` to the sub-commands of an argument parser."""
    parser = subparsers.add_parser(
        "search",
        help="find the documents nearest to a query",
        description="Print the documents that are nearest to a query, best first: by the cosine of vectors, by shared words "
        "(BM25), or by the sum of both, standardised. Of a score, only its order within a query means something.",
    )
    add = parser.add_argument
    add("queries_given", nargs="*", metavar="QUERY", help="what to look for, one argument a query")
    add("--embeddings", required=True, metavar="DIR", help="folder made by 'unpadded embed'")
    add("-k", type=positive_number, default=10, metavar="N", help="documents for each query (default: 10)")
    add(
        "--by",
        choices=SEARCHED_BY,
        default="both",
        help="what is compared (default: both); by both, each result says what found it",
    )
    add("--pooling", metavar="NAME", help="last, mean, max or concat (default: mean, if it is there)")
    add("--model", metavar="DIR", help="the model that made them (default: where it lay then)")
    add("--queries", metavar="FILE", help="more queries, one a line, UTF-8 (-: standard input)")
    add("--json", action="store_true", help="one JSON object a line: query, rank, score, id, words, found_by")
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

    options = {"pooling": args.pooling, "by": args.by, "exact_up_to": args.exact_up_to}
    search = DocumentSearch.open(args.embeddings, model=args.model, say=_say, **options)
    for query, found in zip(queries, _by_query(search, queries, args.k), strict=True):
        _say_what_is_unknown(search, query, found)
        if args.json:
            _print_json(found)
        else:
            _print_table(query if len(queries) > 1 else "", found, sides=search.by == "both")
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


def _say_what_is_unknown(search, query: str, found) -> None:
    if search.by == "words":
        if found.empty:
            _say(f"no document has a word of {query!r} (frequent English words do not count)")
    elif search.unknown(query):
        by_words = not found.empty and (found["found_by"] == "words").all()
        _say(f"the model knows no word of {query!r}: what is found {'has its words' if by_words else 'means nothing'}")


def _print_json(found) -> None:
    for row in found.to_dict("records"):
        print(json.dumps(row))


def _print_table(heading: str, found, *, sides: bool) -> None:
    """A line a document; with `sides`, what found it stands behind the score."""
    if heading:
        print(f"\n{_printable(heading)}")
    width = max((len(_printable(id)) for id in found["id"]), default=0)
    widest = max((len(f"{score:.4f}") for score in found["score"]), default=0)  # of both and BM25: -0.1234, 12.3456
    for row in found.itertuples():
        side = f"{row.found_by:<7}  " if sides else ""
        score = f"{row.score:.4f}".rjust(widest)
        print(f"{row.rank:>3}  {score}  {side}{_printable(row.id):<{width}}  {_printable(row.words)}".rstrip())


def _printable(text: str) -> str:
    """`text` without what would move a terminal's cursor or cannot be encoded."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _say(sentence: str) -> None:
    print(f"unpadded search: {sentence}", file=sys.stderr)
