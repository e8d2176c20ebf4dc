"""The noun `TokenizedCorpus`: a corpus's token ids, made on all cores, memory-mapped.

A corpus is tokenized once into its own complete list of distinct tokens; any model's vocabulary is then a lookup table
over that list, so tokenizing does not have to be repeated for another vocabulary size.
"""

import hashlib
import json
import multiprocessing
import os
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from fastai.text.core import BOS
from fastai.text.data import make_vocab

from unpadded.common import InputError, atomic_write, die_with_parent, mapped_array, n_cores, read_json, write_json
from unpadded.tokens.rules import without_surrogates
from unpadded.tokens.texts import checked_texts
from unpadded.tokens.tokenizer import BAR, LONGEST_WORD, Numbered, Tokenizer, TokenizerSettings

__all__ = ["TokenizedCorpus", "Tokenizer", "TokenizerSettings", "tokenize", "vocabulary_index"]

MARKERS_OF_BEGIN = (BOS, BAR + BOS)  # the first token of every document: a word's, a piece's
UNKNOWN_ID = 0  # fastai numericalizes what the vocabulary lacks to its first entry, xxunk
FORMAT = 1
CUTTERS = ("spacy", "fastai", "fastcore", "sentencepiece")
PARALLEL_FROM = 2_000_000  # characters; below, starting worker processes costs more than it saves


class TokenizedCorpus:
    """Documents as one flat array of token ids with offsets, and the list of tokens the ids stand for.

    `ids`: int32 [n_tokens]; `offsets`: int64 [n_documents + 1]; `types`: list of distinct tokens. Document i is
    `ids[offsets[i]:offsets[i + 1]]`, which is what indexing returns.
    """

    def __init__(self, ids: np.ndarray, offsets: np.ndarray, types: list[str]):
        self.ids, self.offsets, self.types = ids, offsets, types

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, i: int) -> np.ndarray:
        if not -len(self) <= i < len(self):
            raise IndexError(i)
        i %= len(self)
        return self.ids[self.offsets[i] : self.offsets[i + 1]]

    @property
    def lengths(self) -> np.ndarray:
        """Tokens in each document, int64 [n_documents]."""
        return np.diff(self.offsets)

    @cached_property
    def counts(self) -> np.ndarray:
        """How often each entry of `types` occurs, int64 [n_types]."""
        return np.bincount(self.ids, minlength=len(self.types))

    def select(self, indices: Sequence[int] | np.ndarray) -> "TokenizedCorpus":
        """The documents at `indices`, in that order, with the same `types`."""
        places = np.asarray(indices, dtype=np.int64)
        lengths = self.lengths[places]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        ids = np.concatenate([self[i] for i in places] or [np.empty(0, np.int32)]).astype(np.int32)
        return TokenizedCorpus(ids, offsets, self.types)

    def reversed(self) -> "TokenizedCorpus":
        """Every document from its last token to its first, as a backward model reads it (fastai's `reverse_text`)."""
        lengths = self.lengths
        ends = np.repeat(self.offsets[1:], lengths)
        within = np.arange(len(self.ids)) - np.repeat(self.offsets[:-1], lengths)
        return TokenizedCorpus(np.asarray(self.ids)[ends - 1 - within], self.offsets, self.types)

    def build_vocab(self, *, max_size: int = 60_000, min_count: int = 3) -> list[str]:
        """fastai's vocabulary: special tokens first, then the most frequent, padded to a multiple of eight.

        `max_size`: tokens at most; `min_count`: how often a token has to occur.
        """
        frequent = np.flatnonzero(self.counts)
        return list(make_vocab(Counter({self.types[i]: int(self.counts[i]) for i in frequent}), min_count, max_size))

    def with_vocab(self, vocab: Sequence[str], *, filler: bool = False) -> "TokenizedCorpus":
        """The same documents with ids that index `vocab`; tokens that it lacks become xxunk (id 0).

        `filler`: whether xxfake in a text is the vocabulary's own, see `TokenizerSettings`.
        """
        index = vocabulary_index(vocab, filler=filler)
        table = np.fromiter((index.get(t, UNKNOWN_ID) for t in self.types), np.int32, len(self.types))
        ids = table[self.ids] if len(self.types) else np.empty(0, np.int32)
        return TokenizedCorpus(ids, self.offsets, list(vocab))

    def save(self, folder: str | os.PathLike) -> None:
        """Write `ids.npy`, `offsets.npy` and, last, `tokens.json`; each file atomically."""
        folder = Path(folder)
        for name in ("ids", "offsets"):
            with atomic_write(folder / f"{name}.npy") as file:
                np.save(file, getattr(self, name), allow_pickle=False)
        write_json(folder / "tokens.json", {"format": FORMAT, "n_tokens": len(self.ids), "types": self.types})

    @classmethod
    def open(cls, folder: str | os.PathLike) -> "TokenizedCorpus":
        """Memory-map what `save` wrote. Raises `InputError` for a folder that is incomplete or torn."""
        folder = Path(folder)
        try:
            header = read_json(folder / "tokens.json")
            ids, offsets = (mapped_array(folder / f"{name}.npy") for name in ("ids", "offsets"))
            whole = header["format"] == FORMAT and len(ids) == header["n_tokens"] == offsets[-1]
        except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
            raise InputError(f"{folder} holds no whole tokenized corpus ({error}): delete it and run again.") from error
        if not whole:
            raise InputError(f"{folder} holds a torn tokenized corpus: delete it and run again.")
        return cls(ids, offsets, header["types"])


def vocabulary_index(vocab: Sequence[str], *, filler: bool = False) -> dict[str, int]:
    """Token to id, as fastai's Numericalize has it: the filler xxfake is no token, unless `filler`."""
    return {token: i for i, token in enumerate(vocab) if filler or token != "xxfake"}


@cache
def tokens_depend_on() -> str:
    """What the tokens of given texts and settings depend on: this room's code and the packages that cut words and pieces."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return f"{digest.hexdigest()} {' '.join(f'{name} {_version(name)}' for name in CUTTERS)}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # one that an extra brings
        return ""


def key_of_texts(texts: Sequence[str], made_by: str) -> str:
    """A file name, 32 hexadecimal digits, for what `made_by` (its name and options) makes of `texts`, here and now."""
    digest = hashlib.sha256(f"{made_by} {tokens_depend_on()}".encode())
    for text in texts:
        encoded = text.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return digest.hexdigest()[:32]


def tokenize(
    texts: Sequence[str],
    settings: TokenizerSettings | None = None,
    *,
    n_workers: int | None = None,
    cache: str | os.PathLike | None = None,
) -> TokenizedCorpus:
    """Tokenize `texts`, any iterable of str, with fastai's tokenizer and number the distinct tokens.

    `n_workers` processes share the work (default: one a core in the main thread, once there is enough to share). With
    `cache`, a folder, the result is kept under a name made of the texts, the settings and the versions of the code that
    reads them, and the next call with the same maps it. Raises `InputError` for what is no list of str, for a tokenizer that
    is not known and for a subword model that cannot be read.
    """
    settings = settings or TokenizerSettings()
    texts = checked_texts(texts)
    if cache is None or settings.own is not None:  # nobody knows whether code has changed
        return _tokenize(texts, settings, n_workers)
    folder = Path(cache) / key_of_texts(texts, json.dumps([FORMAT, LONGEST_WORD, settings.key, BOS]))
    try:
        return TokenizedCorpus.open(folder)
    except InputError:
        _tokenize(texts, settings, n_workers).save(folder)
        return TokenizedCorpus.open(folder)


def _tokenize(texts: list[str], settings: TokenizerSettings, n_workers: int | None) -> TokenizedCorpus:
    texts = without_surrogates(texts)
    n_characters = sum(map(len, texts))
    if n_workers is None:
        n_workers = n_cores() if _may_have_workers() else 1
    if n_workers == 1 or n_characters < PARALLEL_FROM or settings.own is not None:
        return _merge([_number_tokens(texts, settings)] if texts else [])
    pieces = list(_pieces(texts, max(n_characters // (n_workers * 8), 1)))
    # Workers only tokenize (no torch kernels), so forking a process that has threads is safe and spares the imports.
    context = multiprocessing.get_context("fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn")
    Tokenizer(settings)  # built once here, inherited by every worker
    with ProcessPoolExecutor(n_workers, mp_context=context, initializer=die_with_parent) as pool:
        return _merge(list(pool.map(_number_tokens, pieces, [settings] * len(pieces))))


def _may_have_workers() -> bool:
    """Not beside other threads that compute, which a fork would cut off, and not in a pool's process, which may have none."""
    return threading.current_thread() is threading.main_thread() and not multiprocessing.current_process().daemon


def _pieces(texts: Sequence[str], n_characters: int) -> Iterator[list[str]]:
    """Cut `texts` into runs of about `n_characters`, so that workers finish together."""
    piece, size = [], 0
    for text in texts:
        piece.append(text)
        size += len(text)
        if size >= n_characters:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def _number_tokens(texts: list[str], settings: TokenizerSettings) -> Numbered:
    return Tokenizer(settings).number(texts)


def _merge(parts: list[Numbered]) -> TokenizedCorpus:
    index: dict[str, int] = {}
    ids = []
    for part_ids, _, types in parts:
        table = np.fromiter((index.setdefault(t, len(index)) for t in types), np.int32, len(types))
        ids.append(table[part_ids] if len(types) else part_ids)
    lengths = np.concatenate([lengths for _, lengths, _ in parts] or [np.empty(0, np.int64)])
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return TokenizedCorpus(np.concatenate(ids or [np.empty(0, np.int32)]).astype(np.int32), offsets, list(index))
