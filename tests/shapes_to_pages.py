"""Corpora of all shapes (`test_any_corpus.py`) through the real command line, each to its page: half an hour on two cores.

`python tests/shapes_to_pages.py [--output DIR] [SHAPE ...]` prints a line a shape; exit status 1 where one of them has another
exit status than 0, no page, a page without a notebook that suits the corpus, or warnings on standard error.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from smoke_run import command
from test_any_corpus import MEASURED, SHAPES
from unpadded.common import NO_LABEL
from unpadded.runs.run import CorpusChoice

PAGE = "index.html"


def arguments(choice: CorpusChoice, output: Path) -> list[str]:
    """The command line that runs what a choice of documents says."""
    label = {"": [], NO_LABEL: ["--label", ""]}.get(choice.label, ["--label", choice.label])
    heading = [] if choice.reading.get("heading", True) else ["--no-heading"]
    return [*command(Path(choice.source), output), "--text", choice.text, *label, *heading]


def problems(status: int, said: str, output: Path, measured: tuple[str, ...]) -> Iterator[str]:
    """What is wrong with a run that should have `measured` these of the scored notebooks, in words."""
    if status:
        yield f"exit status {status}: {said.strip().splitlines()[-1] if said.strip() else 'nothing said'}"
    if not (output / PAGE).is_file():
        yield "no page"
        return
    summary = json.loads((output / "run.json").read_text())
    if {name for name in MEASURED if name in summary["left_out"]} != set(MEASURED) - set(measured):
        yield f"measures other than {', '.join(measured) or 'nothing'}"
    yield from (f"no page of {name}" for name in summary["stages"] if not (output / f"{name}.html").is_file())
    yield from (f"{name} {reason}" for name, reason in summary["failures"].items())
    if not status and said.strip():
        yield f"said on standard error: {said.strip().splitlines()[-1]}"


def report(shape: Callable[[Path], CorpusChoice], folder: Path) -> bool:
    """Run one shape in `folder`, print its line, and say whether all is well."""
    output = folder / "run"
    begun = time.monotonic()
    done = subprocess.run(arguments(shape(folder), output), capture_output=True, text=True, check=False)
    wrong = list(problems(done.returncode, done.stderr, output, SHAPES[shape]))
    left_out = json.loads((output / "run.json").read_text())["left_out"] if (output / PAGE).is_file() else {}
    kept = "; ".join(f"{name} left out, {reason}" for name, reason in left_out.items()) or "nothing left out"
    seconds = time.monotonic() - begun
    print(f"{shape.__name__}: {'; '.join(wrong) or 'page'}; {kept}; {seconds:.0f} s", flush=True)
    return not wrong


def main() -> int:
    """The exit status: 0 where every shape that was asked for came to a page as it should."""
    by_name = {shape.__name__: shape for shape in SHAPES}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shapes", nargs="*", metavar="SHAPE", help=f"all, or some of {', '.join(by_name)}")
    parser.add_argument("--output", type=Path, metavar="DIR", help="keep the runs there (default: nowhere)")
    args = parser.parse_args()
    if unknown := sorted(set(args.shapes) - set(by_name)):
        parser.error(f"no shape {unknown[0]}: give some of {', '.join(by_name)}")
    with tempfile.TemporaryDirectory() as temporary:
        root = args.output or Path(temporary)
        well = [report(by_name[name], root / name) for name in args.shapes or by_name]
    return 0 if all(well) else 1


if __name__ == "__main__":
    sys.exit(main())
