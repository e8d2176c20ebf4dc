"""fastai's text rules; the slow one is skipped where it cannot find anything."""

import operator
import re
import warnings
from collections.abc import Sequence

from fastai.text.core import (
    fix_html,
    lowercase,
    replace_all_caps,
    replace_maj,
    replace_rep,
    replace_wrep,
    rm_useless_spaces,
    spec_add_spaces,
)

# fastai's defaults.text_proc_rules, which anybody may change: what a stored model means must not change with them.
RULES = (
    fix_html,
    replace_rep,
    replace_wrep,
    spec_add_spaces,
    rm_useless_spaces,
    replace_all_caps,
    replace_maj,
    lowercase,
)

SURROGATE = re.compile("[\ud800-\udfff]")  # as a JSON escape may leave one


def apply_rules(text: str) -> str:
    """`text` after all of `RULES`, exactly as fastai applies them."""
    for rule in RULES:
        text = FASTER.get(rule, rule)(text)
    return text


def without_surrogates(texts: Sequence[str]) -> list[str]:
    """The texts with U+FFFD for each lone surrogate, half of a character that cannot be encoded; a warning says so."""
    found = [i for i, text in enumerate(texts) if not text.isascii() and SURROGATE.search(text)]
    if not found:
        return list(texts)
    warnings.warn(
        f"{len(found)} of {len(texts)} texts hold lone surrogates, the first at position {found[0]}: they are read as U+FFFD.",
        stacklevel=2,
    )
    mended = list(texts)
    for i in found:
        mended[i] = SURROGATE.sub("\N{REPLACEMENT CHARACTER}", texts[i])
    return mended


def _replace_wrep(text: str) -> str:
    """fastai's `replace_wrep`, whose pattern needs two equal words between spaces one after the other."""
    words = text.split()
    return replace_wrep(text) if any(map(operator.eq, words, words[1:])) else text


FASTER = {replace_wrep: _replace_wrep}
