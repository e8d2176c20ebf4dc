"""fastai's text rules; the slow one is skipped where it cannot find anything."""

import operator

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


def apply_rules(text: str) -> str:
    """`text` after all of `RULES`, exactly as fastai applies them."""
    for rule in RULES:
        text = FASTER.get(rule, rule)(text)
    return text


def _replace_wrep(text: str) -> str:
    """fastai's `replace_wrep`, whose pattern needs two equal words between spaces one after the other."""
    words = text.split()
    return replace_wrep(text) if any(map(operator.eq, words, words[1:])) else text


FASTER = {replace_wrep: _replace_wrep}
