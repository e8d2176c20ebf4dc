"""Light or dark: what the maps are drawn on and with, as the page in which they stand says."""

from pathlib import Path
from typing import NamedTuple

import anywidget
import traitlets


class Paper(NamedTuple):
    """What is drawn on, with what, and what a tip about a document lies on: hexadecimal colours."""

    background: str
    ink: str
    tip: str


LIGHT, DARK = Paper("#ffffff", "#000000", "#ffffff"), Paper("#111111", "#ffffff", "#333333")


class Theme(anywidget.AnyWidget):
    """Shows nothing; `dark` says whether the page in which it stands is dark."""

    _esm = Path(__file__).with_name("theme.js").read_text()
    dark = traitlets.Bool(False).tag(sync=True)

    @property
    def paper(self) -> Paper:
        """What a map is drawn on in this page."""
        return DARK if self.dark else LIGHT
