"""The sub-command `unpadded embed`: documents in, a folder of embeddings out."""

import argparse
import csv
import os
import sys
from contextlib import suppress
from pathlib import Path

from unpadded.cli.values import add_reading_options, positive_number, reading_of
from unpadded.common import comma_list

PRECISIONS = ("float32", "bfloat16", "int8", "float16")


def add_embed_parser(subparsers) -> argparse.ArgumentParser:
    """Add `embed` to the sub-commands of an argument parser."""
    parser = subparsers.add_parser(
        "embed",
        help="turn documents into vectors",
        description="Turn documents into vectors, in a folder. Stopped at any moment, the same command goes on.",
    )
    add = parser.add_argument
    add("--model", required=True, metavar="DIR", help="folder of a language model")
    add("--input", required=True, metavar="FILE|DIR|NAME", help="corpus: file, folder or known name")
    add("--output", required=True, metavar="DIR", help="folder for the embeddings, new or to go on with")
    add("--text", default="text", metavar="COLUMN", help="column of the text (default: text)")
    add("--label", metavar="COLUMN", help="column of the topic (vectors need none)")
    add("--id", metavar="COLUMN", help="column of the document id")
    add_reading_options(parser)
    add("--pooling", default="concat", help="last, mean, max, concat, or several with commas (default: concat)")
    add(
        "--precision",
        default="float32",
        choices=PRECISIONS,
        help="of the computation, not of the file (int8: CPU, float16: CUDA)",
    )
    add("--device", default="cpu", help="cpu, cuda or cuda:1 (default: cpu)")
    add("--layer", type=int, metavar="N", help="LSTM layer, from 0 (default: the last)")
    add("--shard-size", type=positive_number, default=4096, metavar="N", help="documents per shard")
    add("--slots", type=positive_number, metavar="N", help="documents encoded at the same time")
    add(
        "--threads",
        type=positive_number,
        metavar="N",
        help="processor threads of each process (default: all cores, shared)",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--workers", type=positive_number, metavar="N", help="spread the shards over N processes")
    where.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="spread them over the workers of a Dask scheduler, which must see the model's folder under the same path",
    )
    return parser


def run_embed(args: argparse.Namespace) -> int:
    """Embed a corpus as the arguments say; the exit status: 0 done, 1 a full disk.

    Raises `InputError` for wrong input.
    """
    from unpadded.common import DISK_IS_FULL
    from unpadded.corpus import (  # these take seconds to import, which `unpadded --help` should not
        Corpus,
        check_outside,
    )

    check_outside(args.input, Path(args.output))
    # No split: what part a document is of changes no vector, and one that is missing should not stand in the way.
    corpus = Corpus.load(args.input, text=args.text, label=args.label, id=args.id, split="", **reading_of(args))
    try:
        embeddings = _embed(args, corpus)
    except OSError as error:
        if error.errno not in DISK_IS_FULL:
            raise
        print(f"unpadded embed: {error.strerror}", file=sys.stderr)
        return 1
    print(summary(embeddings))
    return 0


def _embed(args: argparse.Namespace, corpus):
    """In this process or on a cluster: the same embeddings."""
    from unpadded.embeddings import EncoderRecipe, embed_corpus, stored_parts

    recipe = EncoderRecipe(
        os.path.abspath(args.model),
        precision=args.precision,
        layer=-1 if args.layer is None else args.layer,
        slots=args.slots,
        device=args.device,
        threads=args.threads or _threads(args),
    )
    pooling = stored_parts(comma_list(args.pooling))
    options = {"pooling": pooling, "shard_size": args.shard_size}
    if not (args.workers or args.scheduler):
        return embed_corpus(corpus, recipe.build(), args.output, **options)
    from unpadded.embeddings import cluster_client, embed_on_cluster

    with cluster_client(scheduler=args.scheduler, n_workers=args.workers or 0) as client:
        return embed_on_cluster(client, corpus, recipe, args.output, **options)


def _threads(args: argparse.Namespace) -> int:
    """All cores, shared by the processes on this machine; one where the workers are somebody's cluster."""
    import torch

    return 1 if args.scheduler else max(torch.get_num_threads() // (args.workers or 1), 1)


def summary(embeddings) -> str:
    """One line: how many documents, how fast, where, and what the certificate says."""
    certificate = embeddings.manifest["certificate"]
    return (
        f"{len(embeddings):,} documents, {_tokens_per_second(embeddings):,.0f} tokens/s a process, in {embeddings.folder}; "
        f"certificate on {certificate['documents']} documents: max difference {certificate['max_abs_diff']:.2g}, "
        f"bit-identical {'yes' if certificate['bit_identical'] else 'no'}"
    )


def _tokens_per_second(embeddings) -> float:
    """From the seconds of every shard, over all the runs that it took."""
    from unpadded.embeddings import TIMINGS

    tokens, seconds = 0, 1e-9
    with suppress(FileNotFoundError), open(embeddings.folder / TIMINGS, newline="") as file:
        for row in csv.DictReader(file):
            with suppress(KeyError, TypeError, ValueError):  # a line that a crash tore
                tokens, seconds = tokens + int(row["tokens"]), seconds + float(row["seconds"])
    return tokens / seconds
