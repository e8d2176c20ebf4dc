"""Lists and names that people write, how a mistyped one is answered, and what an error says in a few words."""

from collections.abc import Iterable
from difflib import get_close_matches


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


def first_line(error: BaseException) -> str:
    """What an error says, without what follows in further lines; its type's name where it says nothing."""
    return (str(error) or type(error).__name__).splitlines()[0]


def in_short(error: BaseException, at_most: int = 120) -> str:
    """What an error says, on one line, of at most so many characters; its type's name where it says nothing."""
    return " ".join(str(error).split())[:at_most] or type(error).__name__


def with_type(error: BaseException, at_most: int = 200) -> str:
    """An error's type and the first line of what it says, of at most so many characters."""
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')[:at_most]}"
