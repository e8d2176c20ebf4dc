"""Figures on disk and in notebooks: one picture, twice as fine as a screen of old, with the words that stand for it."""

import base64
import os
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from unpadded.report.alt_text import describe
from unpadded.report.plots.style import DPI, save_figure


class Picture:
    """A figure that was written to a file: Jupyter shows that very file, at half its pixels, with its description."""

    def __init__(self, figure: Figure, path: Path, description: str):
        self.figure, self.path, self.description = figure, path, description

    def __repr__(self) -> str:
        return self.description

    def _repr_mimebundle_(self, include=None, exclude=None) -> tuple[dict, dict]:
        png, width = self.path.read_bytes(), size_of(self.path)[0]
        data = {"image/png": base64.b64encode(png).decode(), "text/plain": self.description}
        return data, {"image/png": {"width": width, "alt": self.description}}


def keep(figure: Figure, run: str | os.PathLike, name: str) -> Picture:
    """Write a figure to `<run>/figures/<name>.png`, atomically; the result shows it where a notebook's cell ends."""
    path, description = Path(run) / "figures" / f"{name}.png", describe(figure)
    save_figure(figure, path, description=description)
    return Picture(figure, path, description)


def description_of(path: str | os.PathLike) -> str:
    """The words that `keep` wrote into a picture; its file's name where there are none."""
    with Image.open(path) as image:
        return image.info.get("Description") or Path(path).stem.replace("_", " ")


def size_of(path: str | os.PathLike) -> tuple[int, int]:
    """Width and height of a kept picture on a page, where an inch has 96 pixels."""
    with Image.open(path) as image:
        return image.width * 96 // DPI, image.height * 96 // DPI
