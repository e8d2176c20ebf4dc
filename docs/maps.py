"""The README's picture, from a finished run of 20 Newsgroups: the maps of the last state and of the mean side by side.

    python docs/maps.py outputs/quick outputs/reference/maps.png

It is written with its alternative text, which it prints as the README's line.
"""

import argparse
import os
from pathlib import Path

from unpadded.common import read_json
from unpadded.report import load_map, map_path, save_figure, umap_maps

POOLINGS = ("last", "mean")


def write_picture(run: Path, path: Path) -> str:
    """Draw the maps of the run's own corpus to a PNG file; return its alternative text."""
    points = load_map(map_path(run, read_json(run / "run.json")["corpus"]))
    maps = {pooling: points[[f"{pooling}_x", f"{pooling}_y"]].to_numpy() for pooling in POOLINGS}
    figure = umap_maps(maps, points["topic"], alone=False)
    save_figure(figure, path)
    return figure.get_label()


def main() -> None:
    """Read the options, draw, print the README's line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("picture", type=Path, metavar="PICTURE.png")
    args = parser.parse_args()
    said = write_picture(args.run, args.picture)
    print(f"![{said}]({os.path.relpath(args.picture, Path(__file__).parents[1])})")


if __name__ == "__main__":
    main()
