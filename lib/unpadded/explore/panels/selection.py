"""Taking along what was selected: a file to open elsewhere, or a corpus to run on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import ipywidgets as widgets
import numpy as np

from unpadded.common import InputError
from unpadded.explore import render
from unpadded.explore.data import Explorable
from unpadded.explore.quiet import WRAPPED
from unpadded.explore.selection import write_selection


class SelectionPanel:
    """A line for a file's name and a button that writes to it what `rows()` gives; `save()` does what the button does."""

    def __init__(self, data: Explorable, *, rows: Callable[[], np.ndarray]):
        self._data, self._rows = data, rows
        self.path = widgets.Text("selection.jsonl", description="Take along", continuous_update=False)
        self.button = widgets.Button(description="Save selection", tooltip="as .csv or .jsonl, by the name's ending")
        self.about = widgets.HTML()
        self.button.on_click(lambda _: self.save())
        self.widget = widgets.VBox([widgets.HBox([self.path, self.button], layout=WRAPPED), self.about])

    def save(self) -> None:
        """Write the documents to the file; say how many, where, and how they are run on, or what is wrong."""
        try:
            n, path = write_selection(self._data, self._rows(), self.path.value), Path(self.path.value).expanduser()
            command = f"unpadded run --corpus {path.absolute()}"
            self.about.value = (
                f'<span class="unpadded-saved">{n:,} documents: <code>{render.escape(command)}</code></span>'
            )
        except (InputError, OSError) as error:
            self.about.value = render.problem(error)
