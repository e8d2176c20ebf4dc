"""A language model on disk: safetensors, JSON and CSV in a folder, with checksums; no pickle anywhere."""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from unpadded.common import InputError, atomic_write, first_line, read_json, sha256_of, write_json
from unpadded.model.fastai_modules import config_of, module_with, weights_of
from unpadded.tokens import TokenizerSettings

if TYPE_CHECKING:
    from unpadded.model.language_model import LanguageModel

FORMAT = 1
FILES = ("weights.safetensors", "vocab.json", "config.json")
CURVES = ("training.csv", "tuning.csv")
BACKWARD = "backward"  # the folder of a model's backward half, below the folder of the forward one


def write_model(lm: "LanguageModel", folder: Path) -> None:
    """Write the model atomically, file by file; `config.json`, which holds the checksums of the others, comes last."""
    if lm.tokenizer.own is not None:
        raise InputError(
            "The model reads texts with its Learner's own tokenizer, code that cannot be saved: keep the Learner, or set "
            "lm.tokenizer = TokenizerSettings('custom') and save it for documents that are token ids."
        )
    folder.mkdir(parents=True, exist_ok=True)
    pieces = lm.tokenizer.pieces  # read before anything is written: they may lie in this folder
    settings, names = lm.tokenizer.to_dict(), ["weights.safetensors", "vocab.json", *CURVES]
    if lm.backward is not None:
        write_model(lm.backward, folder / BACKWARD)
        names.append(f"{BACKWARD}/config.json")
    if lm.tokenizer.kind == "subword":
        settings["subword_model"] = "subword.model"
        with atomic_write(folder / "subword.model") as file:
            file.write(pieces)
        names.append("subword.model")
    with atomic_write(folder / "weights.safetensors") as file:
        file.write(save(weights_of(lm.module)))
    write_json(folder / "vocab.json", lm.vocab)
    for name, curve in zip(CURVES, (lm.training, lm.tuning), strict=True):
        with atomic_write(folder / name) as file:
            curve.to_csv(file, index=False)
    config = {
        "format": FORMAT,
        "model": config_of(lm.awd_lstm, lm.module[1]),
        "direction": lm.direction,
        "tokenizer": settings,
        "card": lm.card,
        "sha256": {name: sha256_of(folder / name) for name in names},
    }
    write_json(folder / "config.json", config)


def read_model(folder: Path) -> tuple[tuple, dict]:
    """What `write_model` wrote, as the arguments of `LanguageModel`: (module, vocabulary), keywords.

    Raises `InputError` for a folder that is missing, torn, altered or foreign.
    """
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise InputError(f"{folder} is no language model: {', '.join(missing)} missing; give a folder made by save().")
    try:
        return _read(folder)
    except InputError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
        reason = first_line(error)
        raise InputError(f"{folder} cannot be read as a language model ({reason}): save the model again.") from error


def has_backward(folder: Path) -> bool:
    """Whether the model in `folder` was saved together with its backward half."""
    return f"{BACKWARD}/config.json" in read_json(folder / "config.json")["sha256"]


def _read(folder: Path) -> tuple[tuple, dict]:
    config = read_json(folder / "config.json")
    if config["format"] != FORMAT:
        raise InputError(f"{folder} has format {config['format']}, this version reads {FORMAT}: save it again.")
    altered = [name for name, digest in config["sha256"].items() if sha256_of(folder / name) != digest]
    if altered:
        raise InputError(f"{folder}: {', '.join(altered)} is torn or altered: copy or train the model again.")
    settings, card, vocab = config["tokenizer"], config["card"], read_json(folder / "vocab.json")
    if settings.get("subword_model"):
        settings["subword_model"] = str(folder / settings["subword_model"])
    module = module_with(load_file(folder / "weights.safetensors"), config["model"], n_tokens=len(vocab))
    # Folders from before models could have two directions say theirs only in the card.
    direction = config.get("direction", card.get("settings", {}).get("direction", "forward"))
    return (module.eval(), vocab), {
        "tokenizer": TokenizerSettings(**settings),
        "direction": direction,
        "training": _read_csv(folder / CURVES[0]),
        "tuning": _read_csv(folder / CURVES[1]),
        "card": card,
    }


def _read_csv(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path)
    except (pd.errors.EmptyDataError, FileNotFoundError):
        return pd.DataFrame()
