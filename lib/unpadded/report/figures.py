"""Figures on disk and in notebooks: the same picture, at two pixels for each of the screen's, with alternative text."""

import base64
import os
from pathlib import Path

from IPython import get_ipython
from IPython.display import display
from matplotlib.figure import Figure
from PIL import Image

from unpadded.common import InputError
from unpadded.report.plots.style import DPI, save_figure

LEAD = "lead picture"  # the display beneath a notebook's answer


class Awaited:
    """What stands beneath a notebook's answer until its picture is drawn."""

    words = "The picture comes with the results below."

    def __repr__(self) -> str:
        return self.words

    def _repr_markdown_(self) -> str:
        return f"*{self.words}*"


def lead_picture() -> None:
    """Make room for a picture where a notebook begins; `keep(..., lead=True)` shows it there too, once it is drawn."""
    if in_notebook():
        display(Awaited(), display_id=LEAD)


class Picture:
    """A figure that was written to a file: Jupyter shows that very file, at half its pixels, with its alternative text."""

    def __init__(self, figure: Figure, path: Path):
        self.figure, self.path, self.alt = figure, path, figure.get_label()

    def __repr__(self) -> str:
        return self.alt

    def _repr_mimebundle_(self, include=None, exclude=None) -> tuple[dict, dict]:
        png, width = self.path.read_bytes(), size_of(self.path)[0]
        data = {"image/png": base64.b64encode(png).decode(), "text/plain": self.alt}
        return data, {"image/png": {"width": width, "alt": self.alt}}


def keep(
    figure: Figure | None, run: str | os.PathLike, name: str, *, alt: str = "", lead: bool = False
) -> Picture | None:
    """Write a figure to `<run>/figures/<name>.png`, atomically; the result shows it where a notebook's cell ends.

    None, where there was nothing to draw, stays None.
    `alt` says in words what the figure shows, for who cannot see it; the figures of this library say it themselves.
    With `lead` it is shown beneath the notebook's answer too, where `lead_picture` made room.
    Raises `InputError` for a figure without such words.
    """
    if figure is None:
        return None
    if alt:
        figure.set_label(alt)
    if not figure.get_label():
        raise InputError(f'keep: the figure "{name}" has no alternative text: pass alt="what it shows, in words".')
    path = Path(run) / "figures" / f"{name}.png"
    save_figure(figure, path)
    picture = Picture(figure, path)
    if lead and in_notebook():
        display(picture, display_id=LEAD, update=True)
    return picture


def in_notebook() -> bool:
    """Whether a kernel is there to show things: elsewhere `display` prints them."""
    return hasattr(get_ipython(), "kernel")


def alt_of(path: str | os.PathLike) -> str:
    """The alternative text that `keep` wrote into a picture; its file's name where there is none."""
    with Image.open(path) as image:
        return image.info.get("Description") or Path(path).stem.replace("_", " ")


def size_of(path: str | os.PathLike) -> tuple[int, int]:
    """Width and height of a kept picture on a page, where an inch has 96 pixels."""
    with Image.open(path) as image:
        return image.width * 96 // DPI, image.height * 96 // DPI
