"""Training a subword tokenizer: SentencePiece through fastai, on the training documents, once."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fastai.text.core import SentencePieceTokenizer

from unpadded.common import InputError, atomic_write
from unpadded.corpus import data_folder
from unpadded.tokens.rules import apply_rules
from unpadded.tokens.tokenizer import TokenizerSettings

TRAINER_SPEC, PATHS = 2, (1, 2)
SPECIAL = 10  # fastai's nine special tokens, and SentencePiece's own for what is unknown


def train_subword(
    texts: Sequence[str], *, vocab_size: int = 12_000, folder: str | os.PathLike, language: str = "en"
) -> TokenizerSettings:
    """Learn at most `vocab_size` pieces from `texts` with fastai's SentencePieceTokenizer; settings that use them.

    The model, a protocol buffer, lies in `folder` under a name made of the texts and the size; where it is there already it is
    taken. Raises `InputError` for texts that are too little to learn from.
    """
    if vocab_size <= SPECIAL:
        raise InputError(f"vocab_size is {vocab_size}: {SPECIAL} pieces are special tokens, give more.")
    path = Path(folder) / f"{_key(texts, vocab_size, language)}.model"
    if not path.is_file():
        with tempfile.TemporaryDirectory() as scratch:
            tokenizer = SentencePieceTokenizer(language, vocab_sz=vocab_size, cache_dir=scratch)
            # Characters that UTF-8 cannot hold (lone surrogates) would end the training.
            ready = [apply_rules(text).encode("utf-8", "replace").decode() for text in texts]
            try:
                with _no_notes():
                    made = tokenizer.setup(ready)["sp_model"]
            except (RuntimeError, OSError) as error:
                reason = " ".join(str(error).split())[-160:]
                raise InputError(
                    f"The {len(texts)} documents are too little to learn subwords from ({reason}): give more, or use words."
                ) from error
            with atomic_write(path) as file:
                file.write(without_paths(Path(made).read_bytes()))
    return TokenizerSettings("subword", language, str(path))


def chosen_tokenizer(
    kind: str, texts: Sequence[str], *, max_vocab: int = 12_000, folder: str | os.PathLike | None = None
) -> TokenizerSettings:
    """ "word", or "subword" with pieces learned from `texts` and kept in `folder` (default: the data folder's tokenizers).

    Raises `InputError` for another `kind`, and as `train_subword` does.
    """
    if kind == "subword":
        return train_subword(texts, vocab_size=max_vocab, folder=folder or data_folder() / "tokenizers")
    return TokenizerSettings(kind)


@contextmanager
def _no_notes() -> Iterator[None]:
    """Keep what SentencePiece's C++ code notes for its developers, paths among it, out of notebooks."""
    with open(os.devnull, "wb") as nowhere:
        held = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(held, 2)
            os.close(held)


def without_paths(model: bytes) -> bytes:
    """A SentencePiece model, a serialized ModelProto, without the two paths of this machine that its trainer noted in it.

    They are fields 1 (input) and 2 (model_prefix) of the message in field 2 (trainer_spec) of sentencepiece_model.proto.
    """
    parts = []
    for number, whole, content in _fields(model):
        if number == TRAINER_SPEC:
            content = b"".join(inner for n, inner, _ in _fields(content) if n not in PATHS)
            whole = bytes([TRAINER_SPEC << 3 | 2]) + _varint(len(content)) + content
        parts.append(whole)
    return b"".join(parts)


def _fields(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Number, bytes and content of each field of a protocol buffer (protobuf.dev/programming-guides/encoding)."""
    at = 0
    while at < len(message):
        begin = at
        tag, at = _read_varint(message, at)
        kind, content = tag & 7, at
        if kind == 0:
            _, at = _read_varint(message, at)
        elif kind == 2:
            size, content = _read_varint(message, at)
            at = content + size
        else:
            at += 8 if kind == 1 else 4
        yield tag >> 3, message[begin:at], message[content:at]


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (message[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if message[at - 1] < 0x80:
            return value, at


def _varint(value: int) -> bytes:
    head = []
    while value > 0x7F:
        head.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*head, value])


def _key(texts: Sequence[str], vocab_size: int, language: str) -> str:
    digest = hashlib.sha256(json.dumps([1, vocab_size, language]).encode())
    for text in texts:
        encoded = text.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return digest.hexdigest()[:32]
