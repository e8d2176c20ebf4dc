"""A map of many documents that one moves: some of them are drawn until it rests."""

from pathlib import Path

import anywidget
import traitlets

MOST = 10_000  # documents drawn while a map moves


class FewWhileMoving(anywidget.AnyWidget):
    """Shows nothing; the map in whose box it stands draws at most `most` documents while it is zoomed or dragged."""

    _esm = Path(__file__).with_name("moving.js").read_text()
    most = traitlets.Int(MOST).tag(sync=True)
