"""Where a map is dense: the peaks of its density at several scales, and the documents that belong to each."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from contourpy import contour_generator
from scipy.ndimage import gaussian_filter

from unpadded.report.maps.tables import limits_without_outliers

CELLS = 128  # of the grid along each side of a map
FINEST, N_SCALES = 1.5, 4  # cells that the narrowest kernel is wide; scales at most
MOST_COMPARED = 400  # documents of which one is the densest


def density_basins(xy: np.ndarray) -> np.ndarray:
    """Which peak of the map's density each document [n, 2] belongs to, int64 [n_scales, n], the coarsest scale first.

    A document belongs to the peak that it reaches by going uphill, as in mean shift (Comaniciu and Meer, 2002), on a grid of
    CELLS x CELLS. The first kernel is as wide as Scott's rule (1992) says, each next one half as wide, so of more documents
    there are more scales. What belongs together at a scale does so at every coarser one.
    """
    places, _, _ = _on_grid(xy)
    cells, counts = _counted(places)
    tops = [_tops(gaussian_filter(counts, width, mode="constant")) for width in _widths(places)]
    found = [tops[-1][cells]]
    for coarser in reversed(tops[:-1]):
        found.append(coarser[found[-1]])  # a finer peak's documents follow it
    return np.stack([np.unique(peaks, return_inverse=True)[1] for peaks in reversed(found)]).astype(np.int64)


def density_contours(xy: np.ndarray, shares: Sequence[float]) -> dict[float, list[np.ndarray]]:
    """For each of `shares` the lines, float64 [m, 2] each, around the densest places that hold such a share of the documents.

    `xy` [n, 2] are the documents on a map; its density is taken with a kernel half as wide as that of its coarsest regions.
    """
    places, low, high = _on_grid(xy)
    cells, counts = _counted(places)
    density = gaussian_filter(counts, max(FINEST, _widths(places)[0] / 2), mode="constant")
    levels = np.quantile(density.ravel()[cells], 1 - np.asarray(shares, dtype=float))
    x, y = (low + (high - low) * ((np.arange(CELLS) + 0.5) / CELLS)[:, None]).T
    lines = contour_generator(x=x, y=y, z=density.T).lines
    return {share: list(lines(level)) for share, level in zip(shares, levels, strict=True)}


def densest(xy: np.ndarray) -> tuple[float, float]:
    """The document [n, 2] around which its quarter nearest others are closest; of very many, among some of them."""
    xy = np.asarray(xy, dtype=float)[:: -(-len(xy) // MOST_COMPARED)]
    k = min(len(xy), max(2, len(xy) // 4))
    squares = ((xy[:, None] - xy[None]) ** 2).sum(axis=2)  # so few that laying them all out is faster than any search
    x, y = xy[np.partition(squares, k - 1, axis=1)[:, k - 1].argmin()]
    return float(x), float(y)


def _on_grid(xy: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The cell of each document [n, 2] along both sides, int64 [n, 2], and where the grid begins and ends."""
    xy = np.asarray(xy, dtype=float)
    low, high = limits_without_outliers(xy)
    return ((np.clip(xy, low, high) - low) / (high - low) * (CELLS - 1e-6)).astype(int), low, high


def _counted(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The number of each document's cell, int64 [n], and the documents of every cell, float64 [CELLS, CELLS]."""
    cells = places[:, 0] * CELLS + places[:, 1]
    return cells, np.bincount(cells, minlength=CELLS * CELLS).reshape(CELLS, CELLS).astype(float)


def _widths(places: np.ndarray) -> list[float]:
    """The kernels' standard deviations in cells."""
    scott = max(FINEST, float(places.std(axis=0).mean()) * len(places) ** (-1 / 6))
    return [width for width in scott / 2.0 ** np.arange(N_SCALES) if width >= FINEST]


def _tops(density: np.ndarray) -> np.ndarray:
    """For each cell (flat) the one at which going uphill from it ends."""
    side = len(density)
    around = list(product(range(3), range(3)))
    padded = np.pad(density, 1, constant_values=-1)
    # Among equals the first cell is the higher, so that no way leads in a circle.
    best = np.argmax([padded[r : r + side, c : c + side] for r, c in around], axis=0)
    steps = np.array([(r - 1) * side + c - 1 for r, c in around])
    up = (np.arange(side * side).reshape(side, side) + steps[best]).ravel()
    while True:
        further = up[up]
        if np.array_equal(further, up):
            return up
        up = further
