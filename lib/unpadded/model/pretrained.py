"""Where a training begins: random weights, another language model, or fastai's pretrained one."""

import os
import pickle
from pathlib import Path

from fastai.data.external import URLs, fastai_path, untar_data

from unpadded.common import InputError, in_short
from unpadded.model.language_model import LanguageModel

WT103 = {"forward": URLs.WT103_FWD, "backward": URLs.WT103_BWD}


def starting_point(name: str, *, direction: str = "forward") -> LanguageModel | None:
    """The model that `name` stands for: None for "", fastai's for "wt103", else the one in the folder `name`.

    `direction` "both" asks for a forward and a backward one. Raises `InputError` where there is none.
    """
    if not name:
        return None
    if name != "wt103":
        return LanguageModel.load(name)
    if direction == "both":
        return wt103("forward").with_backward(wt103("backward"))
    return wt103(direction)


def wt103(direction: str = "forward") -> LanguageModel:
    """fastai's AWD-LSTM trained on WikiText-103 (400/1152/3, word tokens), downloaded by fastai the first time.

    Raises `InputError` that says where to put the files by hand when they cannot be downloaded.
    """
    name = Path(WT103[direction]).stem
    folder = fastai_path("model") / name
    if not _complete(folder):
        try:
            folder = Path(untar_data(WT103[direction], c_key="model"))
        except Exception as error:  # fastdownload raises a bare Exception, urllib its own
            reason = in_short(error)
            raise InputError(
                f"fastai's pretrained model could not be downloaded ({reason}): unpack {WT103[direction]} from another "
                f"machine so that its .pth and .pkl files lie in {folder}."
            ) from error
    if not _complete(folder):
        raise InputError(f"{folder} holds no .pth and .pkl file: unpack {WT103[direction]} there again.")
    weights, vocab = (next(folder.glob(f"*.{ending}")) for ending in ("pth", "pkl"))
    return LanguageModel.from_weights(weights, list_of_words(vocab), direction=direction)


def list_of_words(path: str | os.PathLike) -> list[str]:
    """The list of str in fastai's `itos` pickle, by an unpickler that knows no classes and so cannot run any code.

    Raises `InputError` for a file with anything else in it.
    """
    try:
        with open(path, "rb") as file:
            words = _PlainUnpickler(file).load()
    except Exception as error:  # a torn pickle can fail in any way
        raise InputError(f"{path} is no plain list of words ({str(error)[:120]}): unpack the archive again.") from error
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise InputError(f"{path} is no plain list of words: unpack the archive again.")
    return words


class _PlainUnpickler(pickle.Unpickler):
    """Builds lists, strings and numbers, and refuses every name of a class or function."""

    def find_class(self, module, name):
        raise pickle.UnpicklingError(f"it names {module}.{name}")


def _complete(folder: Path) -> bool:
    return all(any(folder.glob(f"*.{ending}")) for ending in ("pth", "pkl"))
