"""What a fastai text Learner holds: its AWD-LSTM, vocabulary, tokenizer and direction."""

import os
import warnings
from pathlib import Path

import torch

from unpadded.common import InputError
from unpadded.model.fastai_modules import BIAS, EMBEDDING, TIED, TWIN, config_of_weights, make_module
from unpadded.model.learner_tokens import text_lists


def open_export(path: str | os.PathLike, *, run_its_code: bool):
    """The Learner in a file of `Learner.export`, on the CPU.

    The file is a pickle: reading it runs code from it. Raises `InputError` unless `run_its_code`, and for a file that
    cannot be read.
    """
    if not Path(path).is_file():
        raise InputError(f"{path} is not a file: give the path of what Learner.export wrote.")
    if not run_its_code:
        raise InputError(
            f"{path} is a pickle, and reading it runs the code in it: pass run_its_code=True if you trust who made it, or "
            "give the weights of Learner.save to LanguageModel.from_weights."
        )
    from fastai.learner import load_learner

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # fastai's own about pickles, which was just answered
            return load_learner(path, cpu=True)
    except Exception as error:  # whatever the file's code raises
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise InputError(f"{path} cannot be read as an exported Learner ({reason}): export it again.") from error


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


def read_weights(path: str | os.PathLike) -> tuple[dict[str, torch.Tensor], dict]:
    """(State dict, configuration) from a `.pth` file of `Learner.save` or `save_encoder`, read without running its code.

    Raises `InputError` for a file that holds anything else.
    """
    from fastai.text.learner import clean_raw_keys

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        state = state.get("model", state)
        if "encoder.weight" in state:  # save_encoder leaves the output layer out
            state = {f"0.{name}": value for name, value in state.items()}
        state = clean_raw_keys(dict(state))
        state.setdefault(TWIN, state[EMBEDDING])
        config = config_of_weights(state)
        if config["out_bias"]:
            state.setdefault(BIAS, torch.zeros(len(state[EMBEDDING])))
        make_module(len(state[EMBEDDING]), config).load_state_dict({TIED: state[EMBEDDING], **state})
    except Exception as error:  # torch raises its own kinds for each way in which a file can be wrong
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(
            f"{path} holds no weights of an AWD-LSTM language model ({reason}): give a .pth file of "
            "Learner.save(..., with_opt=False) or of save_encoder."
        ) from error
    return state, config
