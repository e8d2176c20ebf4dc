"""What the parts of a corpus are called: train, valid, test, unlabelled, and every usual name of these."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from unpadded.common import InputError

TRAIN, VALID, TEST, UNLABELLED = "train", "valid", "test", "unlabelled"
SYNONYMS = {
    TRAIN: ("train", "training", "trn"),
    VALID: ("valid", "validation", "validate", "val", "dev", "devel", "development"),
    TEST: ("test", "testing", "tst", "eval", "evaluation"),
    UNLABELLED: ("unsup", "unsupervised", "unlabeled", "unlabelled"),
}
PART_OF = {word: part for part, words in SYNONYMS.items() for word in words}
# Also as in 20news-bydate-train, train_set and test.data.
NAME = re.compile(rf"(?:.*[-_. ])?({'|'.join(PART_OF)})(?:[-_. ]?(?:set|data|split))?", re.IGNORECASE)


def part_called(name: str) -> str | None:
    """The part that a folder or a value of a split column is called after, or None."""
    match = NAME.fullmatch(name.strip())
    return PART_OF[match[1].lower()] if match else None


def plain_splits(values: Sequence[str]) -> list[str]:
    """The values of a split column, as train, valid, test and unlabelled where every one of them is called after these."""
    parts = {value: part_called(value) if isinstance(value, str) else None for value in dict.fromkeys(values)}
    return [parts[value] or value for value in values] if all(parts.values()) else list(values)


def counted(split: Iterable[str]) -> dict[str, int]:
    """Documents of each part, those that are learned from first, whatever stands first in the file."""
    return learned_first(Counter(split))


def learned_first(counts: Mapping[str, int]) -> dict[str, int]:
    """What is counted of each part in the order train, valid, test, unlabelled, then any others."""
    return {part: counts[part] for part in dict.fromkeys([*SYNONYMS, *counts]) if part in counts}


def check_splits(split: Iterable[str], where: str) -> None:
    """Raise `InputError` where documents are of other parts than train, valid, test and unlabelled, or none of train."""
    found = list(dict.fromkeys(split))
    other = [value for value in found if value not in SYNONYMS]
    if other:
        shown = ", ".join(sorted(other)[:5]) + (", ..." if len(other) > 5 else "")
        raise InputError(
            f"{where} has the splits {shown}: call them train, valid and test (documents without a topic: unsup), or "
            "rename the column or folders so that they are no splits"
        )
    if TRAIN not in found:
        raise InputError(
            f"{where} has documents of the splits {', '.join(sorted(found))} and none of train: "
            "call the part that a model may learn from train"
        )
