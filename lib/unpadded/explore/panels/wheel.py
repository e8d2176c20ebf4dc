"""What the wheel does over a map: it scrolls the page, unless the map was clicked or Ctrl is held."""

from pathlib import Path

import anywidget

MAP_CLASS = "unpadded-map"  # of the boxes that hold a map; wheel.js and wheel.css know it too


class WheelGuard(anywidget.AnyWidget):
    """Shows nothing; while it is displayed, the wheel zooms only maps that were clicked, and any map with Ctrl."""

    _esm = Path(__file__).with_name("wheel.js").read_text()
    _css = Path(__file__).with_name("wheel.css").read_text()
