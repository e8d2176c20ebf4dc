"""Looking around in a run: linked maps, what is near a query or a document, two texts side by side."""

from typing import TYPE_CHECKING

from unpadded.common.lazy import hand_on

if TYPE_CHECKING:
    from unpadded.explore.changes import shares_changed
    from unpadded.explore.explorer import Explorer

__getattr__, __dir__, __all__ = hand_on(__name__)
