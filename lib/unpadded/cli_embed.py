"""The sub-command `unpadded embed`: documents in, a folder of embeddings out."""

import argparse
import csv
import sys
from contextlib import suppress

PRECISIONS = ("float32", "bfloat16")


def add_embed_parser(subparsers) -> argparse.ArgumentParser:
    """Add `embed` to the sub-commands of an argument parser."""
    parser = subparsers.add_parser(
        "embed",
        help="turn documents into vectors",
        description="Turn documents into vectors, in a folder. Stopped at any moment, the same command goes on.",
    )
    parser.add_argument("--model", required=True, metavar="DIR", help="folder of a language model")
    parser.add_argument("--input", required=True, metavar="FILE|DIR|NAME", help="corpus: file, folder or known name")
    parser.add_argument(
        "--output", required=True, metavar="DIR", help="folder for the embeddings, new or to go on with"
    )
    parser.add_argument("--text", default="text", metavar="COLUMN", help="column of the text (default: text)")
    parser.add_argument("--label", metavar="COLUMN", help="column of the topic")
    parser.add_argument("--id", metavar="COLUMN", help="column of the document id")
    parser.add_argument(
        "--pooling", default="concat", help="last, mean, max, concat, or several with commas (default: concat)"
    )
    parser.add_argument(
        "--precision", default="float32", choices=PRECISIONS, help="of the computation, not of the file"
    )
    parser.add_argument("--layer", type=int, metavar="N", help="LSTM layer, from 0 (default: the last)")
    parser.add_argument("--shard-size", type=_positive, default=4096, metavar="N", help="documents per shard")
    parser.add_argument("--slots", type=_positive, metavar="N", help="documents encoded at the same time")
    parser.add_argument("--threads", type=_positive, metavar="N", help="processor threads (default: all cores)")
    return parser


def run_embed(args: argparse.Namespace) -> int:
    """Embed a corpus as the arguments say; the exit status: 0 done, 1 a full disk.

    Raises `InputError` for wrong input.
    """
    import torch  # these take seconds to import, which `unpadded --help` should not

    from .corpus import Corpus
    from .embedding_run import DISK_IS_FULL, embed_corpus
    from .encoder import DocumentEncoder
    from .language_model import LanguageModel

    if args.threads:
        torch.set_num_threads(args.threads)
    options = {"layer": args.layer, "slots": args.slots}
    encoder = DocumentEncoder(
        LanguageModel.load(args.model),
        precision=args.precision,
        **{name: value for name, value in options.items() if value is not None},
    )
    corpus = Corpus.load(args.input, text=args.text, label=args.label, id=args.id)
    poolings = [name.strip() for name in args.pooling.split(",")]
    try:
        embeddings = embed_corpus(corpus, encoder, args.output, pooling=poolings, shard_size=args.shard_size)
    except OSError as error:
        if error.errno not in DISK_IS_FULL:
            raise
        print(f"unpadded embed: {error.strerror}", file=sys.stderr)
        return 1
    print(summary(embeddings))
    return 0


def summary(embeddings) -> str:
    """One line: how many documents, how fast, where, and what the certificate says."""
    certificate = embeddings.manifest["certificate"]
    return (
        f"{len(embeddings):,} documents, {_tokens_per_second(embeddings):,.0f} tokens/s, in {embeddings.folder}; "
        f"certificate on {certificate['documents']} documents: max difference {certificate['max_abs_diff']:.2g}, "
        f"bit-identical {'yes' if certificate['bit_identical'] else 'no'}"
    )


def _tokens_per_second(embeddings) -> float:
    """From the seconds of every shard, over all the runs that it took."""
    from .store import TIMINGS

    tokens, seconds = 0, 1e-9
    with suppress(FileNotFoundError), open(embeddings.folder / TIMINGS, newline="") as file:
        for row in csv.DictReader(file):
            with suppress(KeyError, TypeError, ValueError):  # a line that a crash tore
                tokens, seconds = tokens + int(row["tokens"]), seconds + float(row["seconds"])
    return tokens / seconds


def _positive(text: str) -> int:
    """A whole number from 1 on, for argparse."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


_positive.__name__ = "positive number"  # argparse puts it into its message
