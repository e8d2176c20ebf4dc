"""What a fastai text Learner holds: its AWD-LSTM, vocabulary, tokenizer and direction."""

import os
import re
from pathlib import Path

import torch

from unpadded.common import InputError, in_short
from unpadded.model.learner_tokens import text_lists
from unpadded.model.weights_file import is_weights, read_inert

OTHER_VERSION = (
    "unpadded/model/export_script.py: run it where that version is installed, and give its folder to "
    "LanguageModel.from_export"
)


def open_export(path: str | os.PathLike, *, run_its_code: bool):
    """The Learner in a file of `Learner.export`, on the CPU.

    The file is a pickle: reading it runs code from it. Raises `InputError` unless `run_its_code`, and for a file that
    cannot be read.
    """
    if not Path(path).is_file():
        raise InputError(f"{path} is not a file: give the path of what Learner.export wrote.")
    content = _looked_at(path)
    if is_weights(content):
        raise InputError(
            f"{path} holds weights, not a Learner: give it to LanguageModel.from_weights, with the list learn.dls.vocab."
        )
    if isinstance(content, dict) and {"cls", "data", "model"} <= set(content):
        raise InputError(f"{path} was exported by fastai 1, which is read by {OTHER_VERSION}.")
    if not run_its_code:
        raise InputError(
            f"{path} is a pickle, and reading it runs the code in it: pass run_its_code=True if you trust who made it, or "
            "give the weights of Learner.save to LanguageModel.from_weights."
        )
    try:
        learn = torch.load(path, map_location="cpu", weights_only=False)
    except Exception as error:  # whatever the file's code raises
        raise InputError(f"{path} {_why_unreadable(error)}.") from error
    if not (hasattr(learn, "model") and hasattr(learn, "dls")):
        raise InputError(f"{path} holds a {type(learn).__name__}, no Learner: give what Learner.export wrote.")
    return learn


def _looked_at(path: str | os.PathLike):
    """What lies in the file, without running its code; None where that cannot be told."""
    try:
        return read_inert(path)
    except Exception:  # a file may be wrong in any way
        return None


def _why_unreadable(error: Exception) -> str:
    """The rest of a sentence: what is missing to read an exported Learner, and the mend."""
    reason = in_short(error, 160)
    missing = re.search(r"attribute '([^']+)' on <module '([^']+)'", str(error))
    home = missing[2] if missing else (getattr(error, "name", None) or "") if isinstance(error, ImportError) else ""
    if (isinstance(error, ImportError) and re.search("fastcore|fastai", reason)) or home.startswith(
        ("fastai", "fastcore")
    ):
        return f"was exported by another version of fastai ({reason}), which is read by {OTHER_VERSION}"
    if missing:
        return (
            f"needs {missing[1]} of {home}, from the script that exported it: define or import it there and read again"
        )
    if home:
        return f"needs the module {home} of whoever exported it: put it on Python's path and read again"
    return f"cannot be read as an exported Learner ({reason}): export it again"


def vocabulary_of(learn, size: int) -> list[str]:
    """The token list among a Learner's vocabularies (a classifier's `dls.vocab` is [tokens, categories])."""
    vocab = learn.dls.vocab
    if len(vocab) and not isinstance(vocab[0], str):
        vocab = vocab[0]
    if len(vocab) != size:
        raise InputError(
            f"The Learner's vocabulary has {len(vocab)} tokens and its embedding {size} rows: they must agree."
        )
    return list(vocab)


def direction_of(learn) -> str:
    """ "backward" where fastai's `reverse_text` turned the Learner's documents round (`backwards=True`)."""
    steps = [step for items in text_lists(learn) for step in items.tfms.fs]
    names = [getattr(step, "name", getattr(step, "__name__", "")) for step in steps]
    return "backward" if "reverse_text" in names else "forward"
