"""Colours that every figure shares, safe for colour-blind readers, and Matplotlib's settings."""

from cycler import cycler

# Okabe and Ito's (2008) palette: one fixed colour per pooling, everywhere.
POOLING_COLOURS = {"last": "#D55E00", "mean": "#0072B2", "max": "#009E73", "concat": "#CC79A7"}
# How bright the colour is of the model's vectors as trained, taught, joined with words, and summed with BM25.
DARKENED = {"": 1.0, "lm_tuned": 0.72, "lm_words": 0.5, "lm_bm25": 0.32}
OTHER_COLOURS = ["#E69F00", "#56B4E9", "#F0E442"]
# The same palette for topics, which maps name; yellow, faint on white, comes last.
TOPIC_COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442"]
BASELINE_GREYS = (
    "#3D3D3D #6B6B6B #8F8F8F #A8A8A8 #7D7D7D #555555 #999999 #B8B8B8 #2E2E2E #C6C6C6 #484848 #747474 #858585".split()
)
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<", ">"]
INK, FAINT = "#222222", "#D9D9D9"
LINE_COLOURS = [*TOPIC_COLOURS[:-1], BASELINE_GREYS[2], INK]  # a thin yellow line cannot be read
STYLE = {
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "text.parse_math": False,  # a topic called $$ or $0_$50 is a name and no formula
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    **dict.fromkeys(["axes.edgecolor", "axes.labelcolor", "text.color", "xtick.color", "ytick.color"], INK),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "grid.color": FAINT,
    "legend.frameon": False,
    "axes.prop_cycle": cycler(color=[*POOLING_COLOURS.values(), *OTHER_COLOURS]),
}
