"""The JavaScript of widgets that follow the view of the map in whose box they stand."""

from pathlib import Path


def follows_view(*scripts: str) -> str:
    """The module of `scripts`, files beside this one, with `followView` before them."""
    return "".join(Path(__file__).with_name(name).read_text() for name in ("follow_view.js", *scripts))
