"""Tokens to a LanguageModel."""

from typing import TYPE_CHECKING

from unpadded.common.lazy import hand_on

if TYPE_CHECKING:
    from unpadded.training.card import card_facts
    from unpadded.training.distributed import rank
    from unpadded.training.held_out import cross_entropy, perplexity
    from unpadded.training.loop import train
    from unpadded.training.settings import VALIDATION_TOKENS, TrainingSettings
    from unpadded.training.tuning import TuningSettings, can_be_tuned, halves, halves_found, tune

__getattr__, __dir__, __all__ = hand_on(__name__)
