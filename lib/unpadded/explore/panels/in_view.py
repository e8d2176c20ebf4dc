"""The names of the regions that one has zoomed into, over the map, wherever in them one looks."""

from collections.abc import Sequence
from pathlib import Path

import anywidget
import numpy as np
import traitlets

from unpadded.explore.panels.follow_view import follows_view

SIDE = 64  # cells of the grid along each side of a map


class InView(anywidget.AnyWidget):
    """A line over the map in whose box it stands, which says of what names most documents in view are.

    The names that are drawn on a map stand at one place each, which is soon out of sight when one zooms in.
    """

    _esm = follows_view("in_view.js")
    _css = Path(__file__).with_name("in_view.css").read_text()
    names = traitlets.List().tag(sync=True)  # of each scale, the coarsest first, a list
    limits = traitlets.List().tag(sync=True)  # lowest x, lowest y, highest x, highest y
    side = traitlets.Int(SIDE).tag(sync=True)
    counts = traitlets.Bytes().tag(sync=True)  # int32 [m, 4]: scale, cell (row first), position in its names, documents

    def show(self, xy: np.ndarray, scales: Sequence) -> None:
        """Take the map's coordinates [n, 2] and a pandas column of categories [n] for each scale; none: say nothing."""
        low, high = xy.min(axis=0), xy.max(axis=0)
        places = np.minimum(((xy - low) / np.maximum(high - low, 1e-9) * SIDE).astype(int), SIDE - 1)
        cells, rows = places[:, 1] * SIDE + places[:, 0], []
        for scale, column in enumerate(scales):
            pairs = cells * (len(column.cat.categories) + 1) + column.cat.codes.to_numpy() + 1  # 0: without a name
            found, counts = np.unique(pairs, return_counts=True)
            cell, code = np.divmod(found, len(column.cat.categories) + 1)
            rows.append(np.stack([np.full(len(found), scale), cell, code - 1, counts], axis=1))
        with self.hold_sync():
            self.limits = [float(end) for end in (*low, *high)]
            self.names = [column.cat.categories.tolist() for column in scales]
            self.counts = np.concatenate(rows).astype("<i4").tobytes() if rows else b""
