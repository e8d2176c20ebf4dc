"""Colours that are told apart: each as far from all others as it can be, measured in OKLab (Ottosson, 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from matplotlib.colors import to_rgb

from unpadded.report.plots.palette import TOPIC_COLOURS

STEPS = 24  # of red, green and blue among which colours are sought
LIGHTNESS = (0.36, 0.84)  # darker is black on a dark page, lighter is faint on a white one
MOST = 200  # colours of one search; of more nobody can tell them apart, so they come again
FAINTEST = 0.05  # chroma: less is grey, which stands for "the rest"
TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def oklab(rgb: np.ndarray) -> np.ndarray:
    """Colours [..., 3] (0 to 1, of a screen) as lightness, green to red, blue to yellow: as far apart as eyes see them."""
    rgb = np.asarray(rgb, dtype=float)
    light = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return np.cbrt(light @ TO_CONES.T) @ TO_LAB.T


@cache
def far_apart(n: int) -> list[tuple[float, float, float]]:
    """`n` colours (red, green, blue; 0 to 1): TOPIC_COLOURS first, each further one the farthest from those before."""
    own = [to_rgb(colour) for colour in TOPIC_COLOURS]
    return [*own[:n], *_further(own, np.ones(len(_candidates()[0]), bool), n - len(own))]


@cache
def shades(sizes: tuple[int, ...]) -> list[list[tuple[float, float, float]]]:
    """For each of the first `len(sizes)` TOPIC_COLOURS so many colours of about its hue, dark to light; one is itself.

    They too are far from each other, and from those of the other hues.
    """
    colours = [to_rgb(colour) for colour in TOPIC_COLOURS[: len(sizes)]]
    hues = [_angle(oklab(np.array(colour))) for colour in colours]
    away = np.abs(np.angle(np.exp(1j * (_angle(_candidates()[1])[:, None] - np.array(hues)))))
    nearest, taken = away.argmin(axis=1), list(colours)
    found = []
    for place, size in enumerate(sizes):
        more = _further(taken, nearest == place, size - 1)
        taken += more
        found.append(sorted([colours[place], *more], key=lambda rgb: oklab(np.array(rgb))[0]))
    return found


def _further(taken: Sequence, allowed: np.ndarray, n: int) -> list[tuple[float, float, float]]:
    """`n` candidates among those `allowed`, each as far as can be from all that are `taken` or found before it."""
    rgb, lab = (part[allowed] for part in _candidates())
    gaps = np.min([np.linalg.norm(lab - oklab(np.array(colour)), axis=1) for colour in taken], axis=0)
    found = []
    for _ in range(min(n, MOST)):
        best = int(gaps.argmax())
        found.append(tuple(rgb[best].tolist()))
        gaps = np.minimum(gaps, np.linalg.norm(lab - lab[best], axis=1))
    return [found[place % MOST] for place in range(n)]


@cache
def _candidates() -> tuple[np.ndarray, np.ndarray]:
    """Colours that can be seen on white and on black, as RGB and as OKLab, both [m, 3]."""
    rgb = np.stack(np.meshgrid(*[np.linspace(0, 1, STEPS)] * 3), axis=-1).reshape(-1, 3)
    lab = oklab(rgb)
    seen = (lab[:, 0] > LIGHTNESS[0]) & (lab[:, 0] < LIGHTNESS[1]) & (np.hypot(lab[:, 1], lab[:, 2]) > FAINTEST)
    return rgb[seen], lab[seen]


def _angle(lab: np.ndarray) -> np.ndarray:
    return np.arctan2(lab[..., 2], lab[..., 1])
