"""Notebooks executed, reused, swept."""

from typing import TYPE_CHECKING

from unpadded.common.lazy import hand_on

if TYPE_CHECKING:
    from unpadded.runs.notebook import FULL_DISK, NotebookError, skip_uri_grammar
    from unpadded.runs.overrides import read_overrides
    from unpadded.runs.profiles import BESIDE, DEFAULT_CORPUS, EXTRACT, PROFILES, STAGES
    from unpadded.runs.run import NOTEBOOKS, CorpusChoice, Run
    from unpadded.runs.study import Study
    from unpadded.runs.sweeps.effects import effects
    from unpadded.runs.sweeps.execute import execute_sweep
    from unpadded.runs.sweeps.plan import plan_sweep
    from unpadded.runs.sweeps.spec import read_spec

__getattr__, __dir__, __all__ = hand_on(__name__)
