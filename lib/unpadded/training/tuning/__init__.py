"""A LanguageModel whose vectors tell documents apart, from one that predicts words."""

from typing import TYPE_CHECKING

from unpadded.common.lazy import hand_on

if TYPE_CHECKING:
    from unpadded.training.tuning.loop import tune
    from unpadded.training.tuning.other_half import halves, halves_found
    from unpadded.training.tuning.pieces import can_be_tuned
    from unpadded.training.tuning.settings import TuningSettings

__getattr__, __dir__, __all__ = hand_on(__name__)
