"""Documents to vectors, exactly; the certificate; classifiers; the conventions of scikit-learn and mteb."""

from typing import TYPE_CHECKING

from unpadded.common.lazy import hand_on

if TYPE_CHECKING:
    from unpadded.encoding.certification import VERDICTS, Certificate, Example, assert_batch_invariant, certify, twin_of
    from unpadded.encoding.classifier import BPTT, FASTAI_ORDER, MAX_LEN, DocumentClassifier, dropped
    from unpadded.encoding.encoder import DocumentEncoder
    from unpadded.encoding.mteb import UnpaddedEncoder
    from unpadded.encoding.pooling import parts_of
    from unpadded.encoding.validation import whole_numbers
    from unpadded.encoding.vectorizer import DocumentVectorizer

__getattr__, __dir__, __all__ = hand_on(__name__)
