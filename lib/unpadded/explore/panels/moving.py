"""A map of many documents that one moves: some of them are drawn until it rests."""

import anywidget
import traitlets

from unpadded.explore.panels.follow_view import follows_view

MOST = 10_000  # documents drawn while a map moves


class FewWhileMoving(anywidget.AnyWidget):
    """Shows nothing; the map in whose box it stands draws at most `most` documents while it is zoomed or dragged.

    What it is drawn on is no larger than the largest map.
    """

    _esm = follows_view("one_canvas.js", "moving.js")
    most = traitlets.Int(MOST).tag(sync=True)
