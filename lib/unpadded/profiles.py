"""What a run consists of: its stages in order, and how large each profile makes them."""

from dataclasses import dataclass, field

from .corpus import Corpus
from .errors import InputError


@dataclass(frozen=True)
class Stage:
    """One notebook of a run.

    `needs` names the stages whose results it reads, `leaves` what it writes below the run's folder beside its executed
    notebook, `asks` the corpus field without which it has nothing to measure.
    """

    name: str
    needs: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()
    asks: str = ""
    parameters: dict[str, dict] = field(default_factory=dict)  # profile -> parameters

    def suits(self, corpus: Corpus) -> bool:
        """Whether the corpus has what the stage measures."""
        return not self.asks or any(getattr(corpus, name) is not None for name in self.asks.split("|"))


TRAIN, EXTRACT = "01_train_language_model", "02_extract_embeddings"
SCORED = ("06_clustering", "07_ranking", "08_classification")

STAGES = (
    Stage(
        TRAIN,
        leaves=("language_model/weights.safetensors",),
        parameters={
            "smoke": {"emb_sz": 64, "n_hid": 64, "max_vocab": 4_000, "epochs": 2, "batch_size": 16, "negatives": 256},
            "quick": {"epochs": 1, "batch_size": 20, "max_minutes": 20.0},
            "reference": {"epochs": 8, "max_minutes": 32.0},
        },
    ),
    Stage(
        EXTRACT,
        needs=(TRAIN,),
        leaves=("embeddings", "representations"),
        parameters={"smoke": {"map_documents": 300}, "quick": {"also": "lee"}, "reference": {"also": "lee"}},
    ),
    Stage(
        "06_clustering",
        needs=(TRAIN, EXTRACT),
        leaves=("scores/06_clustering.csv",),
        asks="labels",
        parameters={"smoke": {"n_seeds": 3}},
    ),
    Stage(
        "07_ranking",
        needs=(TRAIN, EXTRACT),
        leaves=("scores/07_ranking.csv",),
        asks="labels|relevance|ratings",
        parameters={"smoke": {"n_queries": 100}, "quick": {"also": "lee"}, "reference": {"also": "lee"}},
    ),
    Stage(
        "08_classification",
        needs=(TRAIN, EXTRACT),
        leaves=("scores/08_classification.csv",),
        asks="labels",
    ),
    Stage("09_compare_runs", needs=SCORED),
)

# Documents of the corpus that a profile uses; 0 is all of them.
N_DOCUMENTS = {"smoke": 400, "quick": 0, "reference": 0}
DEFAULT_CORPUS = "newsgroups"
PROFILES = tuple(N_DOCUMENTS)


def stage_parameters(stage: Stage, profile: str, *, default_corpus: bool) -> dict:
    """The parameters that a profile gives a stage beside the common ones.

    The second corpus (`also`) belongs to the default run; a corpus of the user's own is measured alone.
    """
    if profile not in PROFILES:
        raise InputError(f"Profile {profile!r} is not known: give one of {', '.join(PROFILES)}.")
    parameters = dict(stage.parameters.get(profile, {}))
    if not default_corpus:
        parameters.pop("also", None)
    return parameters
