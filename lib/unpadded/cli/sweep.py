"""The sub-command `unpadded sweep`: many runs from one file."""

import argparse
import os
import sys
from pathlib import Path

from unpadded.cli.values import positive_number

DONE, FAILED = 0, 1


def add_sweep_parser(subparsers) -> argparse.ArgumentParser:
    """Add `sweep` to the sub-commands of an argument parser."""
    parser = subparsers.add_parser(
        "sweep",
        help="many runs from one file, on all cores or a Dask cluster",
        description="Execute the runs that a sweep file describes; stages which they share are executed once. Stopped at "
        "any moment, the same command does what is missing.",
    )
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help="sweep file, such as notebooks/sweeps/pooling.yaml")
    add("--output", type=Path, metavar="DIR", help="default: outputs/ and the file's name")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--jobs", type=positive_number, metavar="N", help="notebooks at a time (default: one a core)")
    where.add_argument("--scheduler", default="", metavar="ADDRESS", help="use a running Dask cluster")
    add("--dry-run", action="store_true", help="say what would be done, and end")
    add("--notebooks", type=Path, metavar="DIR", help="folder of the notebooks (default: the project's)")
    return parser


def run_sweep(args: argparse.Namespace) -> int:
    """Execute a sweep as the arguments say; the exit status: 0 done, 1 a run failed or the disk is full.

    Raises `InputError` for wrong input.
    """
    from unpadded.runs import FULL_DISK, skip_uri_grammar

    skip_uri_grammar()
    from unpadded.common import DISK_IS_FULL
    from unpadded.runs import NOTEBOOKS, plan_sweep, read_spec

    spec = read_spec(args.file)
    folder = args.output or Path("outputs") / spec.name
    plan = plan_sweep(spec, folder, notebooks=args.notebooks or NOTEBOOKS)
    _say(_expansion(plan))
    if args.dry_run:
        _say_stale(plan)
        return DONE
    try:
        return _perform(plan, args)
    except OSError as error:
        if error.errno not in DISK_IS_FULL:
            raise
        print(f"unpadded sweep: {FULL_DISK.format(plan.folder)}", file=sys.stderr)
        return FAILED


def _perform(plan, args: argparse.Namespace) -> int:
    """Execute what is missing, say what failed, and only then write the front page."""
    from unpadded.runs import execute_sweep

    failures = execute_sweep(plan, jobs=args.jobs or 0, scheduler=args.scheduler, say=_say)
    names = {run.name for run in plan.runs}  # the comparison is of the sweep, and stops no run
    stopped = {name for failure in failures for name in failure.runs} & names
    _say(f"{len(names) - len(stopped)} of {len(names)} runs done, {len(stopped)} failed")
    for failure in failures:
        print(f"unpadded sweep: {failure}", file=sys.stderr)
    from unpadded.report import write_sweep_index  # draws pictures, which takes seconds to import

    _say(f"open {os.path.relpath(write_sweep_index(plan.folder))}")
    return FAILED if failures else DONE


def _say_stale(plan) -> None:
    """Count the folders of stages and runs that other parameters, or an older version, left."""
    used = {job.folder for job in plan.jobs.values()} | {run.folder for run in plan.runs}
    stale = [path for kind in ("stages", "runs") for path in (plan.folder / kind).glob("*/") if path not in used]
    if stale:
        _say(f"{len(stale)} folders in stages/ and runs/ of {plan.folder} belong to no run of this file any more")


def _expansion(plan) -> str:
    """How many runs there are, how many are done, and how many notebooks sharing leaves to execute."""
    missing = {key for key, job in plan.jobs.items() if not job.is_done()}
    done = sum(not any(job.key in missing for job in run.jobs) for run in plan.runs)
    alone = sum(len(run.jobs) for run in plan.runs)
    lines = [f"{plan.spec.name}: {plan.spec.question}"] if plan.spec.question else []
    lines += [
        f"{len(plan.runs)} runs, {done} already done; {len(missing)} notebooks to execute, "
        f"of {len(plan.jobs)} (without sharing {alone})"
    ]
    return "\n".join(lines)


def _say(line: str) -> None:
    print(line, flush=True)
