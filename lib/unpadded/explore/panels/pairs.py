"""Two texts, how alike they are under each pooling, and what padding would have made of it."""

from __future__ import annotations

import ipywidgets as widgets

from unpadded.common import InputError
from unpadded.explore import render
from unpadded.explore.data import Explorable
from unpadded.explore.pairs import compare_pair
from unpadded.explore.quiet import WRAPPED

WORDS = (60, 15)  # of the two documents that stand there to begin with: padding acts where lengths differ


class PairPanel:
    """Two boxes for texts, a number of pads, and the similarities; `compare()` does what the button does."""

    def __init__(self, data: Explorable):
        self._encoder = data.encoder
        texts = [text for text in data.corpus.texts[:50] if text.strip()] or ["text"]
        first, second = (" ".join(texts[i % len(texts)].split()[:n]) for i, n in enumerate(WORDS))
        wide = {"width": "auto", "height": "7em"}
        self.first = widgets.Textarea(first, layout=wide, continuous_update=False)
        self.second = widgets.Textarea(second, layout=wide, continuous_update=False)
        self.extra = widgets.IntSlider(
            value=0, min=0, max=200, step=10, description="More pads", continuous_update=False
        )
        self.button = widgets.Button(description="Compare", button_style="primary")
        self.result = widgets.HTML()
        self.button.on_click(lambda _: self.compare())
        self.extra.observe(lambda _: self.compare(), names="value")
        boxes = {
            "grid_template_columns": "repeat(auto-fit, minmax(min(300px, 100%), 1fr))",
            "grid_gap": "8px",
            "width": "100%",
        }
        texts, below = [self.first, self.second], [self.extra, self.button]
        rows = [widgets.GridBox(texts, layout=boxes), widgets.HBox(below, layout=WRAPPED)]
        self.widget = widgets.VBox([*rows, self.result], layout={"width": "100%"})
        self.compare()

    def compare(self) -> None:
        """Compare the two texts and show the table."""
        try:
            table, pads = compare_pair(self._encoder, [self.first.value, self.second.value], extra=self.extra.value)
            self.result.value = render.pair(table, pads)
        except InputError as error:
            self.result.value = render.problem(error)
