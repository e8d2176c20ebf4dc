"""Document vectors from a fastai language model, in batches that cannot change a vector: the public contract."""

from typing import TYPE_CHECKING

from unpadded.common.lazy import hand_on

if TYPE_CHECKING:
    from unpadded.corpus import Corpus
    from unpadded.embeddings import Embeddings
    from unpadded.encoding import (
        DocumentClassifier,
        DocumentEncoder,
        DocumentVectorizer,
        assert_batch_invariant,
        certify,
    )
    from unpadded.model import LanguageModel
    from unpadded.tokens import tokenize
    from unpadded.training import TrainingSettings, TuningSettings, train, tune

__version__ = "0.1.0"
__getattr__, __dir__, _names = hand_on(__name__)
__all__ = [*_names, "__version__"]
