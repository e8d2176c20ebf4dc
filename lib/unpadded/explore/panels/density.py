"""Lines of equal density over the maps, for where documents lie on top of each other."""

from collections.abc import Mapping

import ipywidgets as widgets
import jscatter
import pandas as pd
from matplotlib.colors import to_rgb

from unpadded.explore.panels.theme import LIGHT, Paper
from unpadded.report import density_contours

MANY = 3_000  # documents from which on points hide each other
STRENGTHS = {0.25: 0.8, 0.5: 0.55, 0.75: 0.35, 0.95: 0.2}  # of the line around so large a share of the documents


class DensityPanel:
    """A box to tick. `points` is the table that the `scatters`, one a pooling, draw."""

    def __init__(self, points: pd.DataFrame, scatters: Mapping[str, jscatter.Scatter]):
        self._points, self._scatters = points, scatters
        self._contours: dict[str, list[tuple[float, list]]] = {}
        self._ink = LIGHT.ink
        hint = "lines around the densest places, which hold a quarter, half, three quarters and nearly all of the documents"
        self.shown = widgets.Checkbox(len(points) >= MANY, description="Density", indent=False, tooltip=hint)
        self.shown.layout.width = "auto"
        self.shown.observe(lambda _: self._draw(), names="value")
        self._draw()

    def paint(self, paper: Paper) -> None:
        """Draw the lines in the ink of `paper`."""
        self._ink = paper.ink
        self._draw()

    def _draw(self) -> None:
        for pooling, scatter in self._scatters.items():
            scatter.annotations(self._lines(pooling) if self.shown.value else None)

    def _lines(self, pooling: str) -> list[jscatter.Line]:
        """The lines of a map; where they run is found out when they are first asked for."""
        if pooling not in self._contours:
            xy = self._points[[f"{pooling}_x", f"{pooling}_y"]].to_numpy(float)
            found = density_contours(xy, list(STRENGTHS)).items()
            self._contours[pooling] = [(share, line.tolist()) for share, lines in found for line in lines]
        ink = to_rgb(self._ink)
        return [jscatter.Line(line, (*ink, STRENGTHS[share])) for share, line in self._contours[pooling]]
