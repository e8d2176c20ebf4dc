"""What every kind of settings must satisfy, said in one sentence where it does not."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from unpadded.common import InputError


def check_settings(
    settings: Any,
    kind: str,
    *,
    at_least: Mapping[str, int],
    choices: Mapping[str, Sequence[str]],
    shares: Sequence[str],
) -> None:
    """Raise `InputError` for the first field of `settings`, a dataclass, that means nothing; `kind` names it.

    Numbers are not negative, those of `at_least` at least that, `shares` less than 1, and the strings of `choices` among them.
    """
    for field in fields(settings):
        value = getattr(settings, field.name)
        wrong = isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0
        if field.type in (int, float) and wrong:
            raise InputError(f"{kind} setting {field.name} is {value!r}: give a number that is not negative.")
    for name, least in at_least.items():
        value = getattr(settings, name)
        if value < least:
            raise InputError(f"{kind} setting {name} is {value!r}: give at least {least}.")
    for name, known in choices.items():
        value = getattr(settings, name)
        if value not in known:
            *others, last = map(repr, known)
            raise InputError(f"{kind} setting {name} is {value!r}: give {', '.join(others)} or {last}.")
    for name in shares:
        value = getattr(settings, name)
        if value >= 1:
            raise InputError(f"{kind} setting {name} is {value!r}: give a share of less than 1.")
