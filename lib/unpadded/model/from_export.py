"""What `export_script` wrote in an environment of another fastai: read without a pickle, its tokenizer checked."""

import warnings
from itertools import product
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from unpadded.common import InputError, in_short, read_json
from unpadded.model.weights_file import module_of_weights
from unpadded.tokens import TokenizerSettings, tokenize

FORMAT = 1
FILES = ("tokenizer.json", "vocab.json", "weights.safetensors")


def read_export(folder: Path) -> tuple[nn.Module, list[str], TokenizerSettings, str]:
    """(Module, vocabulary, tokenizer, direction) from a folder of `export_script.export`.

    Where our tokenizers make other ids of the examples in it, the tokenizer is a custom one that is not known, with a warning.
    Raises `InputError` for any other folder.
    """
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise InputError(
            f"{folder} is no export: {', '.join(missing)} missing; give a folder that export_script.py wrote."
        )
    try:
        facts, vocab = read_json(folder / "tokenizer.json"), read_json(folder / "vocab.json")
        if facts["format"] != FORMAT:
            raise InputError(f"{folder} has format {facts['format']}, this version reads {FORMAT}: export it again.")
        module = module_of_weights(load_file(folder / "weights.safetensors"))
        return module.eval(), vocab, _tokenizer(folder, facts, vocab), facts["direction"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
        if isinstance(error, InputError):
            raise
        reason = in_short(error)
        raise InputError(f"{folder} cannot be read as an export ({reason}): export the Learner again.") from error


def _tokenizer(folder: Path, facts: dict, vocab: list[str]) -> TokenizerSettings:
    examples = facts["examples"]
    texts, expected = [example["text"] for example in examples], [example["ids"] for example in examples]
    differing = None
    for known in _candidates(folder, facts):
        found = tokenize(texts, known, n_workers=1).with_vocab(vocab, filler=known.filler)
        differing = next((i for i, ids in enumerate(expected) if found[i].tolist() != ids), None)
        if differing is None and texts:
            return known
    if differing is not None:
        warnings.warn(
            f"The Learner's tokenizer ({facts['class']} of fastai {facts['fastai']}) makes other tokens than those here, of "
            f"{texts[differing][:60]!r} for one: give token ids, which export_script.py writes with --texts.",
            stacklevel=4,
        )
    return TokenizerSettings("custom")


def _candidates(folder: Path, facts: dict) -> list[TokenizerSettings]:
    if facts["kind"] == "subword" and (folder / "subword.model").is_file():
        pieces = (folder / "subword.model").read_bytes()
        return [TokenizerSettings("subword", subword_model=pieces, filler=filler) for filler in (False, True)]
    if facts["kind"] == "word":
        ways = product((True, False), (False, True))
        return [TokenizerSettings("word", facts["language"], bars=bars, filler=filler) for bars, filler in ways]
    return []
