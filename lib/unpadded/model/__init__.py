"""The LanguageModel: on disk, from a Learner, pretrained, writing on."""

from typing import TYPE_CHECKING

from unpadded.common.lazy import hand_on

if TYPE_CHECKING:
    from unpadded.model.encoder_in import check_finite
    from unpadded.model.fastai_modules import (
        BIAS,
        EMBEDDING,
        TIED,
        TWIN,
        borrowed,
        config_of,
        encoder_like,
        load_weights,
        make_module,
        module_with,
        weights_of,
    )
    from unpadded.model.language_model import LanguageModel
    from unpadded.model.pretrained import starting_point

__getattr__, __dir__, __all__ = hand_on(__name__)
