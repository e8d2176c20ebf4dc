"""The two directions of a model, made one after the other; a stop in the second does not cost the first."""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from unpadded.model import LanguageModel
from unpadded.tokens import TokenizerSettings
from unpadded.training.distributed import rank


def one_after_the_other(
    making: Mapping[str, Callable[[], LanguageModel]],
    checkpoints: str | os.PathLike | None,
    tokenizer: TokenizerSettings,
) -> LanguageModel:
    """The forward and the backward model together, made by the two functions in `making`.

    Each stands under a key that says all that it depends on: in the folder `checkpoints` the first is kept under it until
    the second is there. A tokenizer of one's own cannot be stored, so nothing is kept then.
    """
    storable = checkpoints is not None and tokenizer.kind != "custom"
    folders = [Path(checkpoints) / f"finished-{key}" if storable else None for key in making]
    models = [_kept(make, folder, tokenizer) for make, folder in zip(making.values(), folders, strict=True)]
    for folder in folders:
        if folder is not None and not rank():
            shutil.rmtree(folder, ignore_errors=True)
    return models[0].with_backward(models[1])


def _kept(make: Callable[[], LanguageModel], folder: Path | None, tokenizer: TokenizerSettings) -> LanguageModel:
    if folder is not None and (folder / "config.json").is_file():
        model = LanguageModel.load(folder)
        model.tokenizer, model.folder = tokenizer, None  # its copy of a subword model goes with the folder
        return model
    model = make()
    if folder is not None and not rank():
        kept_in = model.folder
        model.save(folder)
        model.folder = kept_in
    return model
