"""Which extra of pyproject.toml brings what is not installed; `pip install unpadded` alone brings the core."""

from collections.abc import Iterator
from contextlib import contextmanager

from unpadded.common.errors import InputError

# Top-level modules that the library imports -> the extra that brings them; a test compares this with pyproject.toml.
EXTRA_OF = {
    "sentencepiece": "subword",
    "numba": "narrow",
    "platformdirs": "corpora",
    "pyarrow": "corpora",
    "usearch": "search",
    "accelerate": "cluster",
    "dask": "cluster",
    "distributed": "cluster",
    "bm25s": "evaluate",
    "fasttext": "evaluate",
    "ir_measures": "evaluate",
    "joblib": "evaluate",
    "threadpoolctl": "evaluate",
    "umap": "evaluate",
    "altair": "runs",
    "jupyter_client": "runs",
    "nbclient": "runs",
    "nbconvert": "runs",
    "nbformat": "runs",
    "papermill": "runs",
    "psutil": "runs",
    "vl_convert": "runs",
    "yaml": "runs",
    "ipywidgets": "lab",
    "jscatter": "lab",
    "jupyterlab": "lab",
    "mteb": "mteb",
    "tokenizers": "static",
    "wordllama": "static",
}


class MissingExtraError(InputError, ImportError):
    """Something that an extra brings is not installed; the message says how to install it."""


@contextmanager
def extras_needed() -> Iterator[None]:
    """Imports within: a module that is not installed becomes a `MissingExtraError` that names its extra."""
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in EXTRA_OF:
            raise
        raise MissingExtraError(
            f"{missing} is not installed: pip install 'unpadded[{EXTRA_OF[missing]}]' brings it."
        ) from error
