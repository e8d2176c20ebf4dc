"""Tiny clouds of vectors with known answers, for the evaluation's tests."""

import numpy as np

from unpadded.evaluation.scores import Representation


def lm(vectors, pooling: str = "mean") -> Representation:
    """An unprocessed pooling of a language model."""
    return Representation("lm", pooling, "none", np.asarray(vectors, dtype=np.float32))


def clouds(n_topics: int = 4, per_topic: int = 30, *, noise: float = 0.01, seed: int = 0):
    """(vectors [n, n_topics], labels, ids): topic i lies around the i-th unit vector, documents in shuffled order."""
    rng = np.random.default_rng(seed)
    topics = rng.permutation(np.repeat(np.arange(n_topics), per_topic))
    vectors = np.eye(n_topics)[topics] + noise * rng.standard_normal((len(topics), n_topics))
    return vectors.astype(np.float32), [f"topic{t}" for t in topics], [f"d{i:04d}" for i in range(len(topics))]


def noise(n: int, *, width: int = 8, seed: int = 0) -> np.ndarray:
    """Gaussian noise, float32 [n, width]."""
    return np.random.default_rng(seed).standard_normal((n, width)).astype(np.float32)
