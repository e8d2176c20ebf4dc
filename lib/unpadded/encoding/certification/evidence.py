"""The figures of a certificate, from all that was seen."""

from collections.abc import Sequence

import numpy as np
import torch

from unpadded.encoding.certification.certificate import Certificate
from unpadded.encoding.certification.comparing import neighbours_changed, widened
from unpadded.encoding.certification.example import Example
from unpadded.encoding.certification.finding import Finding
from unpadded.encoding.certification.items import Item
from unpadded.encoding.certification.lab import AGAIN, Lab, Seen


def certificate_of(lab: Lab, documents: Sequence[Item], finding: Finding, example: Example | None) -> Certificate:
    """The certificate of a finding, with the figures of every trial."""
    everything = [*lab.seen, *lab.again]
    by_trial: dict[str, list[Seen]] = {}
    for seen in everything:
        by_trial.setdefault(seen.trial, []).append(seen)
    by_trial.setdefault(AGAIN, [])
    return Certificate(
        verdict=finding.verdict,
        follows=finding.follows,
        reason=finding.reason,
        rows=tuple(_row(name, calls) for name, calls in by_trial.items() if calls),
        max_abs_diff=max((_largest(seen) for seen in everything), default=0.0),
        min_cosine=min((float(np.nanmin(s.cosine)) for s in everything if np.isfinite(s.cosine).any()), default=1.0),
        neighbours_changed=_neighbours(lab, documents, by_trial),
        precision=lab.precision,
        n_threads=torch.get_num_threads(),
        n_calls=lab.caller.n_calls,
        example=example,
        culprit="" if finding.seen is None or not finding.seen.worst else finding.seen.trial,
        notes=lab.caller.finish(),
        documents=tuple(documents),
        trials=tuple(by_trial),
        excess=_matrix(documents, by_trial),
    )


def _largest(seen: Seen) -> float:
    if seen.miscounted:
        return np.inf
    return float(np.nan_to_num(seen.difference, nan=0.0, posinf=np.inf).max(initial=0.0))


def _row(name: str, calls: Sequence[Seen]) -> dict:
    apart = np.concatenate([seen.difference for seen in calls])
    cosine = np.concatenate([seen.cosine for seen in calls])
    n_different = int((apart > 0).sum())
    problem = next((seen.problem for seen in calls if seen.problem), "")
    return {
        "trial": name,
        "calls": len(calls),
        "n_documents": int((~np.isnan(apart)).sum()),
        "max_abs_diff": max(map(_largest, calls)),
        "min_cosine": float(np.nanmin(cosine)) if np.isfinite(cosine).any() else 1.0,
        "n_different": n_different,
        "bit_identical": n_different == 0 and not any(seen.miscounted for seen in calls),
        "problem": problem,
    }


def _neighbours(lab: Lab, documents: Sequence[Item], by_trial: dict[str, list[Seen]]) -> float:
    """In the worst trial that has a row for every document."""
    changed = [0.0]
    expected = lab.matrix(documents)
    for calls in by_trial.values():
        rows: dict[Item, np.ndarray] = {}
        for seen in calls:
            if seen.rows is not None and len(seen.batch) > 1:
                rows.update(zip(seen.batch, seen.rows, strict=True))
        if all(item in rows for item in documents) and len({len(row) for row in rows.values()}) == 1:
            found = np.stack([rows[item] for item in documents])
            width = max(found.shape[1], expected.shape[1]) if lab.caller.sparse else 0
            changed.append(neighbours_changed(widened(found, width), widened(expected, width)))
    return max(changed)


def _matrix(documents: Sequence[Item], by_trial: dict[str, list[Seen]]) -> np.ndarray:
    """The largest excess of each document in each trial, NaN where it was not tried: [documents, trials]."""
    places = {item: i for i, item in enumerate(documents)}
    matrix = np.full((len(documents), len(by_trial)), np.nan)
    for column, calls in enumerate(by_trial.values()):
        for seen in calls:
            for item, excess in zip(seen.batch, seen.excess, strict=True):
                if item in places and not np.isnan(excess):
                    matrix[places[item], column] = np.fmax(matrix[places[item], column], excess)
    return matrix
