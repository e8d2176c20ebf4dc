"""Document vectors from a fastai language model, in batches that cannot change a vector."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .certification import certify
    from .classifier import DocumentClassifier
    from .corpus import Corpus
    from .encoder import DocumentEncoder
    from .language_model import LanguageModel

__version__ = "0.1.0"

# Imported when first used: torch and fastai take seconds, which `unpadded --help` should not.
_HOME = {
    "Corpus": "corpus",
    "DocumentClassifier": "classifier",
    "DocumentEncoder": "encoder",
    "LanguageModel": "language_model",
    "certify": "certification",
}
__all__ = ["Corpus", "DocumentClassifier", "DocumentEncoder", "LanguageModel", "__version__", "certify"]


def __getattr__(name: str):
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
