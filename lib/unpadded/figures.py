"""Figures on disk, for the pages that show a run."""

import os
from pathlib import Path

from matplotlib.figure import Figure

from .files import atomic_write


def keep(figure: Figure, run: str | os.PathLike, name: str) -> Figure:
    """Write a figure to `<run>/figures/<name>.png`, atomically, and return it so that the notebook shows it too."""
    with atomic_write(Path(run) / "figures" / f"{name}.png") as file:
        figure.savefig(file, format="png")
    return figure
