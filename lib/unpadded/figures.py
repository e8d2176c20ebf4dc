"""Figures on disk, for the pages that show a run."""

import os
from pathlib import Path

from matplotlib.figure import Figure

from .plot_style import save_figure


def keep(figure: Figure, run: str | os.PathLike, name: str) -> Figure:
    """Write a figure to `<run>/figures/<name>.png`, atomically, and return it so that the notebook shows it too."""
    save_figure(figure, Path(run) / "figures" / f"{name}.png")
    return figure
