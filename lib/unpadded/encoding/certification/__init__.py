"""Does a batch change a vector? Asked of Unpadded's own encoder and of anybody's."""

from typing import TYPE_CHECKING

from unpadded.common.lazy import hand_on

if TYPE_CHECKING:
    from unpadded.encoding.certification.certificate import Certificate
    from unpadded.encoding.certification.certifying import assert_batch_invariant, certify
    from unpadded.encoding.certification.example import Example
    from unpadded.encoding.certification.fastai_loop import twin_of
    from unpadded.encoding.certification.precision import VERDICTS

__getattr__, __dir__, __all__ = hand_on(__name__)
