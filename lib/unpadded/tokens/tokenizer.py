"""Text to tokens: fastai's word and subword tokenizers, token for token, without its work on every single token.

The distinct tokens of a batch of texts are few, so names are looked up and post-processed once for each of those.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from fastai.text.core import SpacyTokenizer

from unpadded.common import InputError, extras_needed, fork_safe_lock
from unpadded.tokens.rules import apply_rules

SPACY = fork_safe_lock()  # all threads share its vocabulary, which grows as it reads
# Characters without white space. Longer runs are cut, which fastai does not do: spaCy's rules for what stands at either end
# of a word are quadratic in its length.
LONGEST_WORD = 10_000
BAR = "▁"  # how a blank within a token is written
LONG_WORD = re.compile(rf"(?<!\S)\S{{{LONGEST_WORD + 1},}}")
# What shows a difference between two tokenizers: the rules' cases, accents, elisions, scripts without spaces, long lines.
HARD_TEXTS = (
    "",
    "The quick brown FOX, it's 3.5 <br /> times!!!! a/b #c \\ d... don't won't U.S.A. e-mail@example.org (see https://x.org/y?z=1).",
    "l'été où l'on s'est dit « déjà-vu », aujourd'hui; qu'il y a-t-il? Straße, ÄPFEL, naïve, mañana, señor",
    'word word word word aaaaaa xxbos xxmaj xxunk xxpad &amp; &lt;unk&gt; <unk> @-@ @.@ #39; quot; nbsp; \\n \\"',
    "这是一个没有空格的句子。日本語のテキスト 한국어 문장 ภาษาไทย русский текст العربية עברית 🙂👍🏽👩‍👩‍👧",
    " two  blanks\n \n lines\tand\ttabs\r\n end\u2003\u00a0\u200b ",
    "\n".join(f"line{i}\tof {i % 7}" for i in range(300)).replace(" ", "\t"),
    "snake_case camelCase $5.00 50% 1,000,000 10:30 2020-01-01 C++ A B c. D.E. l33t -- --- \u2014 \u2026 _x_ [1] {2} *3* ~4~",
)

Numbered = tuple[np.ndarray, np.ndarray, list[str]]  # flat ids int32, document lengths int64, distinct tokens


@dataclass(frozen=True)
class TokenizerSettings:
    """Which tokenizer made the ids: `kind` is "word" (spaCy's rules for `language`) or "subword" (SentencePiece).

    fastai's default rules (lower case, xxmaj, xxup, xxrep, ...) run before either. `subword_model` is a SentencePiece model,
    a protocol buffer, or the path of its file; `subword.train_subword` makes one. `bars`: whether a blank within a token, as
    in a line end with an indent, is written as a bar; fastai does so in its data, but not when a Learner is given a text.
    `filler`: whether "xxfake" in a text is the vocabulary's filler, as where fastai was given the vocabulary, or is unknown.
    "custom" marks somebody's own tokenizer, `own`, which gives the tokens of a text and cannot be stored; None: not known.
    """

    kind: str = "word"
    language: str = "en"
    subword_model: str | bytes | None = field(default=None, repr=False)
    bars: bool = True
    filler: bool = False
    own: Callable[[str], Sequence[str]] | None = field(default=None, repr=False)

    def __post_init__(self):
        if self.kind not in ("word", "subword", "custom"):
            raise InputError(f"Tokenizer kind {self.kind!r} is not known: give 'word' or 'subword'.")
        path = self.subword_model
        if self.kind == "subword" and not isinstance(path, bytes) and not (path and Path(path).is_file()):
            raise InputError(f"The SentencePiece model {path!r} is not a file: train one first.")

    def to_dict(self) -> dict:
        """What can be stored, as JSON-ready values; the subword model is stored beside it."""
        return {"kind": self.kind, "language": self.language, "bars": self.bars, "filler": self.filler}

    @property
    def pieces(self) -> bytes:
        """The SentencePiece model; empty for other kinds."""
        model = self.subword_model or b""
        return model if isinstance(model, bytes) else Path(model).read_bytes()

    @property
    def key(self) -> str:
        """What identifies the tokens that these settings make (pieces by their content, code by what it makes of texts)."""
        content = hashlib.sha256(self.pieces).hexdigest() if self.subword_model else ""
        if self.own is not None:
            content = hashlib.sha256(repr([list(self.own(text)) for text in HARD_TEXTS]).encode()).hexdigest()
        return f"{self.kind}:{self.language}:{content}" + ("" if self.bars else ":blanks")


class Tokenizer:
    """Turn texts into tokens with fastai's rules, every document begins with xxbos; or with somebody's own tokenizer.

    Raises `InputError` for a custom tokenizer that is not known, for a language that spaCy does not know, and for a subword
    model that is no SentencePiece model.
    """

    def __init__(self, settings: TokenizerSettings | None = None):
        self.settings = settings or TokenizerSettings()
        if self.settings.kind == "custom" and self.settings.own is None:
            raise InputError(
                "This model was trained with a tokenizer of its owner's that is not known here: encode token ids, not texts."
            )
        self._number = _tokenizer(self.settings)

    def __call__(self, texts: Iterable[str]) -> Iterator[list[str]]:
        """Yield one list of tokens for each text."""
        for text in texts:
            ids, _, types = self.number([text])
            yield [types[i] for i in ids]

    def number(self, texts: Sequence[str]) -> Numbered:
        """The tokens of `texts`, numbered as they appear: flat ids, document lengths, distinct tokens."""
        if self.settings.own is not None:
            return self._number(list(texts))
        ids, lengths, names = self._number([apply_rules(_break_long_words(text)) for text in texts])
        if not self.settings.bars:
            return ids.astype(np.int32), lengths, names
        index: dict[str, int] = {}  # bars for blanks can make two tokens one
        table = np.fromiter(
            (index.setdefault(name.replace(" ", BAR), len(index)) for name in names), np.int32, len(names)
        )
        return (table[ids] if len(names) else ids.astype(np.int32)), lengths, list(index)


@lru_cache(maxsize=4)
def _tokenizer(settings: TokenizerSettings):
    if settings.own is not None:
        return _Own(settings.own)
    return _Pieces(settings) if settings.kind == "subword" else _Words(settings.language)


class _Own:
    """Somebody's own function from a text to its tokens."""

    def __init__(self, tokens_of: Callable[[str], Sequence[str]]):
        self._tokens_of = tokens_of

    def __call__(self, texts: list[str]) -> Numbered:
        index: dict[str, int] = {}
        documents = [[index.setdefault(token, len(index)) for token in self._tokens_of(text)] for text in texts]
        lengths = np.fromiter(map(len, documents), np.int64, len(documents))
        flat = np.fromiter((i for document in documents for i in document), np.int32, int(lengths.sum()))
        return flat, lengths, list(index)


class _Words:
    """spaCy's blank pipeline with fastai's special cases, read out as numbers instead of a Python object a token."""

    def __init__(self, language: str):
        try:
            self._nlp = SpacyTokenizer(language).pipe.__self__
        except (ImportError, AttributeError, OSError) as error:
            raise InputError(f"spaCy has no word tokenizer for the language {language!r}: give another.") from error

    def __call__(self, texts: list[str]) -> tuple[np.ndarray, np.ndarray, list[str]]:
        documents = [self._hashes(text) for text in texts]
        hashes, ids = _in_order_of_appearance(documents, np.uint64)
        lengths = np.fromiter(map(len, documents), np.int64, len(documents))
        return ids, lengths, [self._nlp.vocab.strings[int(number)] for number in hashes]

    def _hashes(self, text: str) -> np.ndarray:
        with SPACY:
            return self._nlp.tokenizer(text).to_array("ORTH")


class _Pieces:
    """A SentencePiece model; characters that it does not know keep their own name, as in fastai."""

    def __init__(self, settings: TokenizerSettings):
        with extras_needed():
            from sentencepiece import SentencePieceProcessor

        try:
            self._model = SentencePieceProcessor(model_proto=settings.pieces)
        except (RuntimeError, OSError) as error:
            name = "The subword model" if isinstance(settings.subword_model, bytes) else settings.subword_model
            raise InputError(f"{name} is no SentencePiece model: train one, or copy it again.") from error

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
    return LONG_WORD.sub(lambda found: " ".join(_cut(found[0])), text)


def _cut(word: str) -> Iterator[str]:
    return (word[i : i + LONGEST_WORD] for i in range(0, len(word), LONGEST_WORD))
