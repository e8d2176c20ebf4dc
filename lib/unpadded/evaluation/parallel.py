"""Many fits side by side."""

import warnings
from collections.abc import Callable, Sequence
from typing import TypeVar

from joblib import Parallel, cpu_count, delayed
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

Item, Result = TypeVar("Item"), TypeVar("Result")


def side_by_side(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """`function` of every item, on as many threads as there are cores, with one linear-algebra thread each."""
    with threadpool_limits(1), warnings.catch_warnings():
        # Of fit_classifier: more than 200 steps change no score. Of k-means: few distinct vectors leave clusters empty.
        warnings.simplefilter("ignore", ConvergenceWarning)
        jobs = (delayed(_on_one_thread)(function, item) for item in items)
        return Parallel(n_jobs=max(1, min(len(items), cpu_count())), prefer="threads")(jobs)


def _on_one_thread(function: Callable[[Item], Result], item: Item) -> Result:
    with threadpool_limits(1, user_api="openmp"):  # OpenMP's limit is the calling thread's own
        return function(item)
