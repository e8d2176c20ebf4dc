"""Training a subword tokenizer: SentencePiece with fastai's options, on the training documents, once."""

import io
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fastai.text.core import defaults

from unpadded.common import InputError, atomic_write, extras_needed
from unpadded.corpus import data_folder
from unpadded.tokens.rules import apply_rules
from unpadded.tokens.tokenized import key_of_texts
from unpadded.tokens.tokenizer import TokenizerSettings

SPECIAL = [f"▁{token}" for token in defaults.text_spec_tok]  # as fastai's SentencePieceTokenizer names them
OPTIONS = {  # fastai's, for a European language
    "character_coverage": 0.99999,
    "model_type": "unigram",
    "unk_id": len(SPECIAL),
    "pad_id": -1,
    "bos_id": -1,
    "eos_id": -1,
    "user_defined_symbols": SPECIAL,
    "hard_vocab_limit": False,
    "minloglevel": 2,
}


def train_subword(texts: Sequence[str], *, vocab_size: int = 12_000, folder: str | os.PathLike) -> TokenizerSettings:
    """Learn at most `vocab_size` SentencePiece pieces from `texts`, as fastai does; settings that use them.

    The model, a protocol buffer, lies in `folder` under a name made of the texts and the size; where it is there already it is
    taken. Raises `InputError` for texts that are too little to learn from.
    """
    if vocab_size <= len(SPECIAL) + 1:
        raise InputError(
            f"vocab_size is {vocab_size}: {len(SPECIAL) + 1} pieces are special tokens (one stands for what is unknown), "
            "give more."
        )
    path = Path(folder) / f"{key_of_texts(texts, json.dumps([2, vocab_size]))}.model"
    if not path.is_file():
        with atomic_write(path) as file:
            file.write(_learned(texts, vocab_size))
    return TokenizerSettings("subword", subword_model=str(path))


def chosen_tokenizer(
    kind: str, texts: Sequence[str], *, max_vocab: int = 12_000, folder: str | os.PathLike | None = None
) -> TokenizerSettings:
    """ "word", or "subword" with pieces learned from `texts` and kept in `folder` (default: the data folder's tokenizers).

    Raises `InputError` for another `kind`, and as `train_subword` does.
    """
    if kind == "subword":
        return train_subword(texts, vocab_size=max_vocab, folder=folder or data_folder() / "tokenizers")
    return TokenizerSettings(kind)


def _learned(texts: Sequence[str], vocab_size: int) -> bytes:
    """A SentencePiece model, a serialized ModelProto. It is learned in memory, so it names no path of this machine."""
    with extras_needed():
        from sentencepiece import SentencePieceTrainer

    # UTF-8 cannot hold lone surrogates. Pieces do not go beyond a line, as in the file that fastai writes.
    lines = (line for text in texts for line in apply_rules(text).encode("utf-8", "replace").decode().split("\n"))
    model = io.BytesIO()
    try:
        with _silent_stderr():
            SentencePieceTrainer.train(sentence_iterator=lines, model_writer=model, vocab_size=vocab_size, **OPTIONS)
    except (RuntimeError, OSError) as error:
        reason = " ".join(str(error).split())[-160:]
        raise InputError(
            f"The {len(texts)} documents are too little to learn subwords from ({reason}): give more, or use words."
        ) from error
    return model.getvalue()


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Keep out of notebooks what SentencePiece's C++ code logs, whatever its log level."""
    with open(os.devnull, "wb") as nowhere:
        held = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(held, 2)
            os.close(held)
