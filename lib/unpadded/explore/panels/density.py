"""Lines of equal density over the maps, for where documents lie on top of each other."""

from collections.abc import Mapping

import ipywidgets as widgets
import jscatter
import pandas as pd

from unpadded.report import density_contours

MANY = 3_000  # documents from which on points hide each other
STRENGTHS = {0.25: 0.8, 0.5: 0.55, 0.75: 0.35, 0.95: 0.2}  # of the line around so large a share of the documents


class DensityPanel:
    """A box to tick. `points` is the table that the `scatters`, one a pooling, draw."""

    def __init__(self, points: pd.DataFrame, scatters: Mapping[str, jscatter.Scatter]):
        self._points, self._scatters = points, scatters
        self._lines: dict[str, list[jscatter.Line]] = {}
        hint = "lines around the densest places, which hold a quarter, half, three quarters and nearly all of the documents"
        self.shown = widgets.Checkbox(len(points) >= MANY, description="Density", indent=False, tooltip=hint)
        self.shown.layout.width = "auto"
        self.shown.observe(lambda _: self._draw(), names="value")
        self._draw()

    def _draw(self) -> None:
        for pooling, scatter in self._scatters.items():
            if self.shown.value and pooling not in self._lines:
                xy = self._points[[f"{pooling}_x", f"{pooling}_y"]].to_numpy(float)
                found = density_contours(xy, list(STRENGTHS)).items()
                self._lines[pooling] = [
                    jscatter.Line(line.tolist(), (0, 0, 0, STRENGTHS[share]))
                    for share, lines in found
                    for line in lines
                ]
            scatter.annotations(self._lines[pooling] if self.shown.value else None)
