"""Encoders with one planted fault each, and sound ones: a table of random word vectors, padded, pooled, and what people do."""

import zlib
from functools import lru_cache

import numpy as np
import torch

N_WORDS, WIDTH = 997, 16
PAD = N_WORDS  # the pad's row is random, as fastai's is
TABLE = np.random.default_rng(0).normal(size=(N_WORDS + 1, WIDTH)).astype(np.float32)
PLACES = np.random.default_rng(1).normal(size=(4096, WIDTH)).astype(np.float32)


def ids_of(text: str) -> list[int]:
    return [zlib.crc32(word.encode("utf-8", "surrogatepass")) % N_WORDS for word in text.split()]


def padded(texts, *, left=False, longest=None) -> tuple[np.ndarray, np.ndarray]:
    """Word vectors [n, longest, width], and which are words."""
    documents = [ids_of(text) for text in texts]
    longest = max(map(len, documents), default=0) if longest is None else longest
    ids = np.full((len(documents), longest), PAD)
    for row, tokens in zip(ids, documents, strict=True):
        tokens = tokens[:longest]
        row[longest - len(tokens) if left else 0 : longest if left else len(tokens)] = tokens
    return TABLE[ids], ids != PAD


def mean(texts) -> np.ndarray:
    """Sound: each text's own words, in float64."""
    vectors = [TABLE[ids].astype(np.float64).mean(0) if (ids := ids_of(text)) else np.zeros(WIDTH) for text in texts]
    return np.array(vectors, np.float32).reshape(len(texts), WIDTH)


def pads_in_the_mean(texts) -> np.ndarray:
    return padded(texts)[0].sum(1) / max(padded(texts)[1].shape[1], 1)


def states(vectors: np.ndarray) -> np.ndarray:
    """A small recurrent network's states [n, longest, width]."""
    state, out = np.zeros((len(vectors), WIDTH)), []
    for step in range(vectors.shape[1]):
        state = np.tanh(0.7 * state + vectors[:, step])
        out.append(state)
    return np.stack(out, axis=1) if out else np.zeros((len(vectors), 1, WIDTH))


def last_step_of_a_padded_batch(texts) -> np.ndarray:
    return states(padded(texts)[0])[:, -1]


def left_padding_without_positions(texts) -> np.ndarray:
    vectors, mask = padded(texts, left=True)
    placed = (vectors * PLACES[: vectors.shape[1]]) * mask[..., None]
    return placed.sum(1) / np.maximum(mask.sum(1), 1)[:, None]


def cut_to_the_shortest(texts) -> np.ndarray:
    shortest = min((n for text in texts if (n := len(text.split()))), default=0)
    return mean([" ".join(text.split()[:shortest]) for text in texts])


def cut_to_the_first(texts) -> np.ndarray:
    n = len(texts[0].split()) or 1
    return mean([" ".join(text.split()[:n]) for text in texts])


def batch_normalised(texts) -> np.ndarray:
    vectors = mean(texts)
    return (vectors - vectors.mean(0)) / np.sqrt(vectors.var(0) + 1e-5)


class BatchNormInTraining:
    """As torch has it: a batch of one raises an error."""

    def __init__(self):
        self.norm = torch.nn.BatchNorm1d(WIDTH).train()

    def encode(self, texts):
        return self.norm(torch.from_numpy(mean(texts)))


class Dropout:
    def __init__(self):
        self.generator = torch.Generator().manual_seed(0)

    def encode(self, texts):
        vectors = torch.from_numpy(mean(texts))
        return vectors * (torch.rand(vectors.shape, generator=self.generator) > 0.1) / 0.9


def sorted_and_not_back(texts) -> np.ndarray:
    return mean(sorted(texts, key=len))


def duplicates_dropped(texts) -> np.ndarray:
    return mean(list(dict.fromkeys(texts)))


def last_batch_twice(texts, size=2) -> np.ndarray:
    batches = [mean(texts[i : i + size]) for i in range(0, len(texts), size)]
    return np.concatenate(batches + batches[-1:] * (len(batches) > 1))


def rows_of_the_last_batch(texts, size=2) -> np.ndarray:
    """A buffer that the last batch writes over: the right number of rows."""
    out = mean(texts)
    if len(texts) > size:
        out[:size] = mean(texts[-size:])
    return out


class CacheByLength:
    """Of its texts' vectors, kept between calls."""

    def __init__(self, key=len):
        self.key, self.cache = key, {}

    def encode(self, texts):
        for text in texts:
            if self.key(text) not in self.cache:
                self.cache[self.key(text)] = mean([text])[0]
        return np.array([self.cache[self.key(text)] for text in texts])


def cache_by_length_in_a_call(texts) -> np.ndarray:
    return CacheByLength().encode(texts)


class RandomNowAndThen:
    """Every thousandth call."""

    def __init__(self, every=1000):
        self.every, self.n = every, 0

    def __call__(self, texts):
        self.n += 1
        vectors = mean(texts)
        return vectors if self.n % self.every else vectors + np.random.default_rng(self.n).normal(size=vectors.shape)


class StateBetweenCalls:
    """A hidden state that nobody resets."""

    def __init__(self):
        self.state = np.zeros(WIDTH)

    def encode(self, texts):
        vectors = mean(texts) + self.state
        self.state = vectors[-1] * 0.5
        return vectors


def whole_batch_int8(texts) -> np.ndarray:
    """Dynamic quantisation whose scale is the whole batch's."""
    vectors = mean(texts)
    scale = max(np.abs(vectors).max(initial=0), 1e-9) / 127
    return np.round(vectors / scale) * scale


def fitted_on_the_batch(texts):
    from sklearn.feature_extraction.text import CountVectorizer

    return CountVectorizer(token_pattern=r"\S+").fit_transform(texts)


def more_than_one(texts) -> np.ndarray:
    return mean(texts) + (len(texts) > 1) * np.float32(1e-3)


def _rounded(dtype, texts) -> torch.Tensor:
    """The sum's order, and so its rounding, depends on how many texts there are."""
    rows = []
    for text in texts:
        words = torch.from_numpy(TABLE[ids_of(text) or [PAD]]).to(dtype)
        rows.append(sum(words.roll(len(texts), 0), torch.zeros(WIDTH, dtype=dtype)) / len(words))
    return torch.stack(rows)


def float16_rounding(texts) -> np.ndarray:
    return _rounded(torch.float16, texts).numpy()


def bfloat16_rounding(texts) -> torch.Tensor:
    return _rounded(torch.bfloat16, texts)


def bfloat16_as_float32(texts) -> np.ndarray:
    return _rounded(torch.bfloat16, texts).float().numpy()


def float32_rounding(texts) -> list[list[float]]:
    return _rounded(torch.float32, texts).tolist()


@lru_cache(maxsize=1)
def _transformer() -> torch.nn.TransformerEncoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layer = torch.nn.TransformerEncoderLayer(WIDTH, 2, 32, batch_first=True)
        return torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()


@torch.no_grad()
def transformer(texts, *, masked=True) -> torch.Tensor:
    """Sound in float32 with a mask: what padding changes is rounding."""
    vectors, mask = padded([text if text.split() else "nothing" for text in texts])
    vectors, mask = torch.from_numpy(vectors + PLACES[: vectors.shape[1]]), torch.from_numpy(mask)
    hidden = _transformer()(vectors, src_key_padding_mask=~mask if masked else None)
    return (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


def transformer_without_a_mask(texts) -> torch.Tensor:
    return transformer(texts, masked=False)


DEPENDS, ORDER, NOISE, ROUNDING, SAME = (
    "depends on the batch", "wrong order", "not repeatable", "rounding", "bit-identical"
)  # fmt: skip
# A new encoder, the verdict, what vectors follow, and the most texts that its smallest example may have.
FAULTS = {
    "pads in the mean": (lambda: pads_in_the_mean, DEPENDS, "longer texts", 2),
    "last step": (lambda: last_step_of_a_padded_batch, DEPENDS, "longer texts", 2),
    "left padding": (lambda: left_padding_without_positions, DEPENDS, "longer texts", 2),
    "no mask": (lambda: transformer_without_a_mask, DEPENDS, "longer texts", 2),
    "cut to the shortest": (lambda: cut_to_the_shortest, DEPENDS, "shorter texts", 2),
    "cut to the first": (lambda: cut_to_the_first, DEPENDS, "shorter texts", 2),
    "batch statistics": (lambda: batch_normalised, DEPENDS, "contents", 2),
    "BatchNorm in training": (BatchNormInTraining, DEPENDS, "contents", 2),
    "int8 of the whole batch": (lambda: whole_batch_int8, DEPENDS, "contents", 2),
    "fitted on the batch": (lambda: fitted_on_the_batch, DEPENDS, None, 2),
    "more than one": (lambda: more_than_one, DEPENDS, "the number of texts", 2),
    "dropout": (Dropout, NOISE, "the call", 1),
    "state between calls": (StateBetweenCalls, NOISE, "the call", 1),
    "now and then": (RandomNowAndThen, NOISE, "the call", 1),
    "sorted and not back": (lambda: sorted_and_not_back, ORDER, "positions", 2),
    "duplicates dropped": (lambda: duplicates_dropped, ORDER, "positions", 2),
    "last batch twice": (lambda: last_batch_twice, ORDER, "positions", 3),
    "rows of the last batch": (lambda: rows_of_the_last_batch, ORDER, "positions", 3),
    "cache by length": (CacheByLength, DEPENDS, "a cache", 2),
    "cache by words": (lambda: CacheByLength(lambda text: len(text.split())), DEPENDS, "a cache", 2),
    "cache in a call": (lambda: cache_by_length_in_a_call, DEPENDS, "a cache", 2),
}
SOUND = {
    "mean": (lambda: mean, SAME),
    "float16": (lambda: float16_rounding, ROUNDING),
    "bfloat16": (lambda: bfloat16_rounding, ROUNDING),
    "bfloat16 as float32": (lambda: bfloat16_as_float32, ROUNDING),
    "float32 lists": (lambda: float32_rounding, ROUNDING),
    "masked Transformer": (lambda: transformer, ROUNDING),
}
