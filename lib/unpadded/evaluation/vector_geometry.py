"""The shape of a cloud of document vectors: why some poolings are harder to search and to cluster than others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.decomposition import PCA
from sklearn.preprocessing import normalize

from unpadded.common import InputError
from unpadded.evaluation.scores import Representation, check_names, checked_vectors

N_PAIRS, PCA_SAMPLE = 20_000, 5000  # pairs of documents for the mean cosine, documents for the PCA


def geometry(representations: Sequence[Representation], lengths: Sequence[int]) -> pd.DataFrame:
    """One row per dense representation of documents of `lengths` tokens [n]; the columns:

    mean_cosine of random pairs, effective_dimension, width, mean_norm, norm_length_correlation (Spearman),
    component_1..3_length_correlation (|Spearman|), top_variance_share. PCA looks at PCA_SAMPLE documents.
    """
    lengths = np.asarray(lengths)
    if not representations:
        return pd.DataFrame(columns=["method"])
    check_names(representations)
    rng = np.random.default_rng(0)
    sample = np.sort(rng.choice(len(lengths), min(PCA_SAMPLE, len(lengths)), replace=False))
    rows = []
    for representation in representations:
        vectors = _dense(representation, len(lengths))
        pca = PCA(svd_solver="covariance_eigh").fit(vectors[sample])
        components = pca.transform(vectors[sample])[:, :3].T
        norms = np.linalg.norm(vectors, axis=1)
        row = {
            "method": representation.name,
            "mean_cosine": mean_cosine(vectors),
            "effective_dimension": effective_dimension(pca.explained_variance_),
            "width": vectors.shape[1],
            "mean_norm": float(norms.mean()),
            "norm_length_correlation": _spearman(norms, lengths),
            "top_variance_share": float(pca.explained_variance_ratio_[0]),
        }
        for i, component in enumerate(components, start=1):
            row[f"component_{i}_length_correlation"] = abs(_spearman(component, lengths[sample]))
        rows.append(row)
    return pd.DataFrame(rows)


def mean_cosine(vectors: np.ndarray) -> float:
    """The mean cosine of random pairs of different rows of `vectors` [n, width]: 0 isotropic, 1 all in one direction.

    The measure of anisotropy of Ethayarajh (EMNLP 2019).
    """
    if len(vectors) < 2:
        raise InputError(f"vectors: {len(vectors)} document has no pair; pass at least two.")
    rng = np.random.default_rng(0)
    first = rng.integers(len(vectors), size=N_PAIRS)
    second = (first + rng.integers(1, len(vectors), size=N_PAIRS)) % len(vectors)
    unit = normalize(vectors)
    batches = np.array_split(np.arange(N_PAIRS), max(1, N_PAIRS // 2000))
    cosines = [np.einsum("ij,ij->i", unit[first[b]], unit[second[b]]) for b in batches]
    return float(np.concatenate(cosines).mean())


def effective_dimension(variances: np.ndarray) -> float:
    """Participation ratio (sum of variances)^2 / sum of squared variances: from 1, one direction, to width, a ball."""
    variances = np.maximum(np.asarray(variances, dtype=float), 0)
    return float(variances.sum() ** 2 / (variances**2).sum())


def part_contributions(parts: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """How much each part of a concatenation (name -> [n, width]) adds to its squared distances; columns part, share.

    The mean squared distance of two documents is twice the total variance, so the share is that of the variance: a part of
    large scale decides alone.
    """
    variances = {name: float(np.var(vectors, axis=0, dtype=np.float64).sum()) for name, vectors in parts.items()}
    total = sum(variances.values())
    return pd.DataFrame({"part": list(variances), "share": [value / (total or 1.0) for value in variances.values()]})


def norms_by_length(
    representations: Sequence[Representation], lengths: Sequence[int], *, n_bins: int = 10
) -> pd.DataFrame:
    """Mean norm, relative to the representation's overall mean, in bins of equally many documents by length.

    Columns method, length (the bin's median, in tokens), relative_norm.
    """
    lengths = np.asarray(lengths)
    bins = np.array_split(np.argsort(lengths, kind="stable"), min(n_bins, len(lengths)))
    rows = []
    for representation in representations:
        norms = np.linalg.norm(_dense(representation, len(lengths)), axis=1)
        rows += [[representation.name, np.median(lengths[b]), norms[b].mean() / norms.mean()] for b in bins]
    return pd.DataFrame(rows, columns=["method", "length", "relative_norm"])


def _dense(representation: Representation, n: int) -> np.ndarray:
    vectors = checked_vectors(representation, n)
    if not isinstance(vectors, np.ndarray):
        raise InputError(f"{representation.name}: geometry describes dense vectors; leave sparse ones out.")
    return vectors


def _spearman(values: np.ndarray, lengths: np.ndarray) -> float:
    """Spearman's correlation, 0 where one side is constant."""
    if np.ptp(values) == 0 or np.ptp(lengths) == 0:
        return 0.0
    return float(stats.spearmanr(values, lengths).statistic)
