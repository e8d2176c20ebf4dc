"""Documents as people have them: files, named datasets, checks, samples."""

from typing import TYPE_CHECKING

from unpadded.common.lazy import hand_on

if TYPE_CHECKING:
    from unpadded.corpus.columns import source_columns, typed
    from unpadded.corpus.corpora import fingerprints, load_also, load_corpus, relocated
    from unpadded.corpus.corpus import Corpus
    from unpadded.corpus.datasets.registry import NAMES, data_folder
    from unpadded.corpus.loading import check_outside
    from unpadded.corpus.splits import learned_first

__getattr__, __dir__, __all__ = hand_on(__name__)
