"""Characters that the figures' font lacks: drawn in another font of this machine, or written so that they can be read.

Only modules that draw import this one: Matplotlib is not in the core.
"""

from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from unicodedata import category

from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter

REGULAR = 400  # weight
# Not for text: boxes that stand for every character, glyphs in places of others, letters of formulas, coloured pictures,
# which Matplotlib cannot draw.
NOT_FOR_TEXT = ("Last Resort", "STIX", "cm", "Color", "Colour")
VARIANTS = "\ufe00\ufe01\ufe02\ufe0e\ufe0f"  # which form of the character before is meant, as a coloured heart


def legible(text: str) -> str:
    r"""The text with what no font of this machine has as an escape, `\u4f53`, which can be told from another."""
    return "".join(map(letter_drawn, text))


def letter_drawn(letter: str) -> str:
    r"""One character as it is drawn: itself, an escape (`\u4f53`), or nothing where none has what is invisible."""
    if ord(letter) < 128 or ord(letter) in _own() or ord(letter) in _others():
        return letter
    invisible = category(letter) == "Cf" or letter in VARIANTS
    return "" if invisible else letter.encode("ascii", "backslashreplace").decode()


def further_fonts(text: str) -> list[str]:
    """The fonts that have the characters of a text which the figures' own font lacks, in the order of the text."""
    lacking = [ord(letter) for letter in text if ord(letter) > 127 and ord(letter) not in _own()]
    return list(dict.fromkeys(_others()[letter] for letter in lacking if letter in _others())) if lacking else []


def make_legible(figure: Figure) -> bool:
    """Give every text of a figure the fonts that it needs, and write out what none of them has; whether anything changed."""
    changed = False
    for axes in figure.axes:
        for formatter in (axes.xaxis.get_major_formatter(), axes.yaxis.get_major_formatter()):
            if isinstance(formatter, FixedFormatter):  # from which the labels of ticks are written at each drawing
                formatter.seq = [legible(str(label)) for label in formatter.seq]
    for text in figure.findobj(Text):
        drawn = legible(text.get_text())
        fonts = further_fonts(drawn)
        if fonts:
            text.set_fontfamily([*text.get_fontfamily(), *fonts])
        if drawn != text.get_text():
            text.set_text(drawn)
            changed = True
        changed = changed or bool(fonts)
    return changed


@cache
def _own() -> frozenset[int]:
    """The characters of the font in which figures are drawn."""
    return frozenset(FT2Font(font_manager.findfont(font_manager.FontProperties())).get_charmap())


@cache
def _others() -> dict[int, str]:
    """Character -> the first other font that has it, those for screens first; found by opening each, when first needed."""
    found: dict[int, str] = {}
    for name, path in _candidates():
        with suppress(RuntimeError, OSError):  # a file that is gone, or that Matplotlib cannot read
            font = FT2Font(path)
            if font.scalable:
                for letter in font.get_charmap():
                    found.setdefault(letter, name)
    return found


def _candidates() -> Iterable[tuple[str, str]]:
    """Name and file of each upright font of ordinary weight, once, those without serifs first."""
    fonts = {
        font.name: font.fname
        for font in reversed(font_manager.fontManager.ttflist)
        if font.style == "normal" and font.weight == REGULAR and not any(part in font.name for part in NOT_FOR_TEXT)
    }
    return sorted(fonts.items(), key=lambda font: ("Sans" not in font[0], font[0]))
