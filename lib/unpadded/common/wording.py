"""Lists and names that people write, how a mistyped one is answered, and what an error says in a few words."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from unpadded.common.errors import InputError

LONGEST_LINE = 200  # characters


def comma_list(text: object) -> list[str]:
    """The items of a comma separated list, without the spaces around them and without empty ones."""
    return [item.strip() for item in str(text).split(",") if item.strip()]


def closest(word: str, words: Iterable[str]) -> str | None:
    """The one of `words` that is most like `word`, ignoring case; `None` where none is like it."""
    by_lower = {candidate.lower(): candidate for candidate in words}
    found = get_close_matches(word.lower(), by_lower, n=1)
    return by_lower[found[0]] if found else None


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """` (did you mean 'x'?)` for the closest of `words`, or an empty string."""
    found = closest(word, words)
    return f" (did you mean {found!r}?)" if found else ""


def listed(names: str, known: Sequence[str], *, what: str) -> list[str]:
    """The names of a comma separated list, in the order of `known`; an empty list means all of them.

    Raises `InputError` for a name that is not known, with the nearest that is.
    """
    given = comma_list(names)
    for name in given:
        if name not in known:
            raise InputError(f"{name!r} is no {what}{did_you_mean(name, known)}: give some of {', '.join(known)}.")
    return [name for name in known if name in given] if given else list(known)


def first_line(error: BaseException) -> str:
    """What an error says, without what follows in further lines; its type's name where it says nothing."""
    return (str(error) or type(error).__name__).splitlines()[0]


def in_short(error: BaseException, at_most: int = 120) -> str:
    """What an error says, on one line, of at most so many characters; its type's name where it says nothing."""
    return " ".join(str(error).split())[:at_most] or type(error).__name__


def with_type(error: BaseException) -> str:
    """An error's type and the first line of what it says, of at most LONGEST_LINE characters."""
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')[:LONGEST_LINE]}"
