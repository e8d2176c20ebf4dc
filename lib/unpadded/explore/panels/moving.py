"""What is drawn of a map of very many documents while it is moved: some of them, so that it follows the hand."""

from pathlib import Path

import anywidget
import traitlets


class FewWhileMoving(anywidget.AnyWidget):
    """Shows nothing; the map in whose box it stands draws at most `most` of its documents while it is moved or zoomed.

    Of n documents every (n / `most`)th is drawn. Selection and filter stay as they are, and Python hears nothing of it.
    """

    _esm = Path(__file__).with_name("moving.js").read_text()
    most = traitlets.Int(20_000).tag(sync=True)
