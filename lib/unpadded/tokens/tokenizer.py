"""Text to tokens: fastai's word and subword tokenizers, token for token, without its work on every single token.

The distinct tokens of a batch of texts are few, so names are looked up and post-processed once for each of those.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from fastai.text.core import SpacyTokenizer

from unpadded.common import InputError, extras_needed
from unpadded.tokens.rules import apply_rules

LONGEST_WORD = 1_000  # characters; spaCy's affix rules are quadratic in the length of a "word" without spaces

Numbered = tuple[np.ndarray, np.ndarray, list[str]]  # flat ids int32, document lengths int64, distinct tokens


@dataclass(frozen=True)
class TokenizerSettings:
    """Which tokenizer made the ids: `kind` is "word" (spaCy's rules for `language`) or "subword" (SentencePiece).

    fastai's default rules (lower case, xxmaj, xxup, xxrep, ...) run before either. `subword_model` is the path of a
    SentencePiece model file, a protocol buffer; `subword.train_subword` makes one. `custom` marks a caller's own tokenizer,
    which cannot be stored.
    """

    kind: str = "word"
    language: str = "en"
    subword_model: str | None = None

    def __post_init__(self):
        if self.kind not in ("word", "subword", "custom"):
            raise InputError(f"Tokenizer kind {self.kind!r} is not known: give 'word' or 'subword'.")
        if self.kind == "subword" and not (self.subword_model and Path(self.subword_model).is_file()):
            raise InputError(f"The SentencePiece model {self.subword_model!r} is not a file: train one first.")

    def to_dict(self) -> dict:
        """Settings as JSON-ready values."""
        return asdict(self)

    @property
    def key(self) -> str:
        """What identifies the tokens that these settings make (the subword model by its content)."""
        content = hashlib.sha256(Path(self.subword_model).read_bytes()).hexdigest() if self.subword_model else ""
        return f"{self.kind}:{self.language}:{content}"


class Tokenizer:
    """Turn texts into tokens with fastai's rules; every document begins with xxbos.

    Raises `InputError` for a custom tokenizer, and for a subword model that is no SentencePiece file.
    """

    def __init__(self, settings: TokenizerSettings | None = None):
        self.settings = settings or TokenizerSettings()
        if self.settings.kind == "custom":
            raise InputError("This model was trained with a tokenizer of its owner's: encode token ids, not texts.")
        self._number = _tokenizer(self.settings)

    def __call__(self, texts: Iterable[str]) -> Iterator[list[str]]:
        """Yield one list of tokens for each text."""
        for text in texts:
            ids, _, types = self.number([text])
            yield [types[i] for i in ids]

    def number(self, texts: Sequence[str]) -> Numbered:
        """The tokens of `texts`, numbered as they appear: flat ids, document lengths, distinct tokens."""
        ids, lengths, names = self._number([apply_rules(_break_long_words(text)) for text in texts])
        index: dict[str, int] = {}  # fastai writes spaces within a token as bars, which can make two tokens one
        table = np.fromiter(
            (index.setdefault(name.replace(" ", "▁"), len(index)) for name in names), np.int32, len(names)
        )
        return (table[ids] if len(names) else ids.astype(np.int32)), lengths, list(index)


@lru_cache(maxsize=4)
def _tokenizer(settings: TokenizerSettings):
    return _Pieces(settings.subword_model) if settings.kind == "subword" else _Words(settings.language)


class _Words:
    """spaCy's blank pipeline with fastai's special cases, read out as numbers instead of a Python object a token."""

    def __init__(self, language: str):
        self._nlp = SpacyTokenizer(language).pipe.__self__

    def __call__(self, texts: list[str]) -> tuple[np.ndarray, np.ndarray, list[str]]:
        documents = [self._nlp.tokenizer(text).to_array("ORTH") for text in texts]
        hashes, ids = _in_order_of_appearance(documents, np.uint64)
        lengths = np.fromiter(map(len, documents), np.int64, len(documents))
        return ids, lengths, [self._nlp.vocab.strings[int(number)] for number in hashes]


class _Pieces:
    """A SentencePiece model; characters that it does not know keep their own name, as in fastai."""

    def __init__(self, path: str):
        with extras_needed():
            from sentencepiece import SentencePieceProcessor

        try:
            self._model = SentencePieceProcessor(model_proto=Path(path).read_bytes())
        except (RuntimeError, OSError) as error:
            raise InputError(f"{path} is no SentencePiece model: train one, or copy it again.") from error

    def __call__(self, texts: list[str]) -> tuple[np.ndarray, np.ndarray, list[str]]:
        model, index = self._model, {}
        documents = []
        for text, ids in zip(texts, model.encode(texts, out_type=int, num_threads=1), strict=True):
            row = np.asarray(ids, np.int64)
            if (row == model.unk_id()).any():  # the pieces say which characters those were
                pieces = model.encode(text, out_type=str)
                unknown = np.flatnonzero(row == model.unk_id())
                row[unknown] = [-1 - index.setdefault(pieces[i], len(index)) for i in unknown]
            documents.append(row)
        numbers, ids = _in_order_of_appearance(documents, np.int64)
        lengths = np.fromiter(map(len, documents), np.int64, len(documents))
        rare = list(index)
        return ids, lengths, [model.id_to_piece(n) if n >= 0 else rare[-1 - n] for n in numbers.tolist()]


def _in_order_of_appearance(documents: list[np.ndarray], dtype) -> tuple[np.ndarray, np.ndarray]:
    """Distinct values of all documents in the order in which they first appear, and each value's place among them."""
    flat = np.concatenate(documents or [np.empty(0, dtype)])
    values, first, places = np.unique(flat, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return values[order], rank[places]


def _break_long_words(text: str) -> str:
    if len(text) <= LONGEST_WORD:
        return text
    words = text.split(" ")
    if max(map(len, words)) <= LONGEST_WORD:
        return text
    pieces = (word[i : i + LONGEST_WORD] for word in words for i in range(0, max(len(word), 1), LONGEST_WORD))
    return " ".join(pieces)
