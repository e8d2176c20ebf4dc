"""The certificate as a picture: documents by trials, coloured by difference."""

import textwrap

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure

from unpadded.common.glyphs import legible, make_legible
from unpadded.encoding.certification.certificate import Certificate, shortened
from unpadded.encoding.certification.items import length

SMALLEST, LARGEST = 1e-9, 1.0  # relative differences at the ends of the colours
SAME, UNTRIED, CULPRIT = "#FFFFFF", "#ECECEC", "#D55E00"


def picture(certificate: Certificate) -> Figure:
    """Rows are documents, the shortest on top; columns are trials; white is the same bits, grey was not tried."""
    order = sorted(range(len(certificate.documents)), key=lambda i: length(certificate.documents[i]))
    excess = certificate.excess[order]
    n, m = excess.shape
    size = (2.6 + 0.42 * max(m, 4), 3.2 + 0.13 * max(n, 6))
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    plt.close(figure)  # a notebook shows it once, as the value of a cell
    axes.set_facecolor(UNTRIED)
    axes.pcolormesh(np.where(excess == 0, 1.0, np.nan), cmap=ListedColormap([SAME]))
    shown = np.clip(np.where(excess > 0, excess, np.nan), SMALLEST, LARGEST)
    colours = axes.pcolormesh(
        shown, norm=LogNorm(SMALLEST, LARGEST), cmap="viridis_r", edgecolors="white", linewidth=0.3
    )
    axes.invert_yaxis()
    axes.set_xticks(np.arange(m) + 0.5, certificate.trials, rotation=60, ha="right", rotation_mode="anchor")
    for label in axes.get_xticklabels():
        if label.get_text() == certificate.culprit:
            label.set(color=CULPRIT, fontweight="bold")
    axes.set_yticks(
        [0.5, n - 0.5] if n > 1 else [0.5],
        [_size(certificate.documents[order[k]]) for k in ((0, -1) if n > 1 else (0,))],
    )
    axes.set_ylabel("documents, short to long")
    axes.tick_params(length=0)
    figure.colorbar(colours, label="difference / largest number of the vector", extend="both")
    words = _words(certificate, int(figure.get_figwidth() * 11))
    axes.set_title(certificate.verdict, loc="left", fontweight="bold", pad=8 + 13 * len(words))
    axes.text(0, 1.01, "\n".join(words), transform=axes.transAxes, va="bottom", fontsize=8)
    make_legible(figure)
    return figure


def _words(certificate: Certificate, width: int) -> list[str]:
    """The reason, and the smallest example."""
    lines = textwrap.wrap(certificate.reason, width)
    if certificate.smallest:
        texts = " | ".join(map(shortened, certificate.smallest[:3]))
        more = f" and {len(certificate.smallest) - 3} more" if len(certificate.smallest) > 3 else ""
        lines += textwrap.wrap(legible(f"smallest example: {texts}{more}"), width)
    return [line.replace("$", r"\$") for line in lines]


def _size(document) -> str:
    words, characters = length(document)
    return f"{words} ids" if isinstance(document, tuple) else f"{words} words" if words else f"{characters} characters"
