"""What rounding the factors of the products to fewer bits does to the vectors."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from unpadded.common import POOLINGS
from unpadded.encoding import DocumentEncoder
from unpadded.evaluation import bootstrap_mean
from unpadded.model import LanguageModel
from unpadded.studies.padding.effects import cosine_distance, neighbours_kept


def precision_price(
    lm: LanguageModel, documents: Sequence[np.ndarray], *, precision: str = "bfloat16", k: int = 10, seed: int = 0
) -> pd.DataFrame:
    """How far vectors of `precision` are from those of float32, one row a pooling; no rows for fewer than 3 documents.

    Columns pooling, max_abs_diff, cosine (median) and cosine_lowest to the float32 vector, moved (median distance to it,
    in root mean square distances between documents), neighbours_kept (share of each document's `k` nearest by cosine that
    stay among them) with ci_low and ci_high, k, n.
    """
    exact, rounded = (
        DocumentEncoder(lm, precision=name).encode_tokens(documents, pooling=POOLINGS)
        for name in ("float32", precision)
    )
    rows, depth = [], min(k, len(documents) - 1)
    for pooling in POOLINGS if len(documents) > 2 else ():
        before, after = exact[pooling].astype(np.float64), rounded[pooling].astype(np.float64)
        cosines = 1 - cosine_distance(before, after)
        distances = np.linalg.norm(after - before, axis=1) / rms_distance(before)
        kept = bootstrap_mean(neighbours_kept(before, after, k=depth), seed=seed)
        rows.append(
            [pooling, np.abs(after - before).max(), np.median(cosines), cosines.min(), np.median(distances), *kept]
        )
    columns = "pooling max_abs_diff cosine cosine_lowest moved neighbours_kept ci_low ci_high".split()
    return pd.DataFrame(rows, columns=columns).assign(k=depth, n=len(documents)) if rows else pd.DataFrame()


def rms_distance(vectors: np.ndarray) -> float:
    """Root mean square distance between two different rows of `vectors` [n, width], n > 1: 2 * variance, unbiased."""
    return float(np.sqrt(2 * np.var(vectors, axis=0, ddof=1, dtype=np.float64).sum())) or 1.0
