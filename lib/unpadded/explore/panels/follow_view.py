"""The JavaScript of widgets that follow the view of the map in whose box they stand."""

from pathlib import Path


def follows_view(script: str) -> str:
    """The module of `script`, a file beside this one, with `followView` before it."""
    return "".join(Path(__file__).with_name(name).read_text() for name in ("follow_view.js", script))
