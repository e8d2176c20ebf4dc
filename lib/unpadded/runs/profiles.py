"""What a run consists of: its stages in order, and how large each profile makes them."""

from dataclasses import dataclass, field

from unpadded.common import InputError


@dataclass(frozen=True)
class Stage:
    """One notebook of a run.

    `needs` names the stages whose results it reads, `leaves` what it writes below the run's folder beside its executed
    notebook, `keeps` what it may leave besides, or goes on from where it was stopped, `asks` the names of what it needs of
    the corpus (`needs.py`, one of them is enough), `on_request` the profiles in which it is executed only when asked for.
    """

    name: str
    needs: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()
    asks: str = ""
    keeps: tuple[str, ...] = ()
    on_request: tuple[str, ...] = ()
    parameters: dict[str, dict] = field(default_factory=dict)  # profile -> parameters


TRAIN, EXTRACT, TEACH = "01_train_language_model", "02_extract_embeddings", "10_teach_the_vectors"
SCORED = ("06_clustering", "07_ranking", "08_classification")
# The stages that take further corpora, in their parameter `also`.
BESIDE = (EXTRACT, TEACH, "03_padding", "04_speed_and_memory", "05_what_the_last_state_keeps", *SCORED)
REFERENCE_CORPORA = "lee,reuters-r8"
WITH_IDF = {"postprocesses": "none,idf"}
# Without fastText, whose one thread takes longer than all others together and which PPMI's word vectors are ahead of, and
# without SIF, which makes those word vectors again, and the input embeddings, which have never been first.
QUICK_BASELINES = "random,tfidf,lsa,lsa_ngrams,word_vectors,lsa_word_vectors,wordllama"


def _scored(name: str, asks: str, *, smoke: dict, quick: dict) -> Stage:
    """A stage that reads the vectors and leaves scores, and the tests of what the run recommends against all others."""
    parameters = {"smoke": smoke, "quick": quick, "reference": {"also": REFERENCE_CORPORA}}
    return Stage(
        name,
        (TRAIN, EXTRACT, TEACH),
        (f"scores/{name}.csv",),
        asks,
        keeps=(f"tests/{name}.csv",),
        parameters=parameters,
    )


STAGES = (
    Stage(
        TRAIN,
        asks="documents",
        leaves=("language_model/weights.safetensors",),
        keeps=("checkpoints", "corpus.json"),
        parameters={
            "smoke": {"emb_sz": 64, "n_hid": 64, "max_vocab": 4_000, "epochs": 2, "batch_size": 16, "negatives": 256},
            # As many passes as the minutes allow; a small corpus gets them until they do not help any more.
            "quick": {"epochs": 60, "max_minutes": 1.25, "patience": 3},
            "reference": {"epochs": 4, "max_minutes": 90.0},
        },
    ),
    Stage(
        EXTRACT,
        asks="documents",
        needs=(TRAIN,),
        leaves=("embeddings", "representations", "geometry", "maps"),
        parameters={
            "smoke": {"map_documents": 300},
            "quick": {"also": "lee", "baselines": QUICK_BASELINES, "precision": "auto"},
            "reference": {"also": REFERENCE_CORPORA},
        },
    ),
    Stage(
        TEACH,
        asks="documents",
        needs=(TRAIN, EXTRACT),
        leaves=("choice.csv", "recommended.json"),
        keeps=("tuning_checkpoints", "tuned_model", "embeddings_tuned", "representations_tuned"),
        parameters={
            "smoke": {"tune_minutes": 0.0, "tune_epochs": 2} | WITH_IDF,
            "quick": {"also": "lee", "tune_minutes": 3.0, "precision": "auto"} | WITH_IDF,
            "reference": {"also": REFERENCE_CORPORA, "tune_minutes": 10.0, "each_minutes": 3.0},
        },
    ),
    Stage(
        "03_padding",
        asks="documents",
        on_request=("quick",),
        needs=(TRAIN,),  # it pads documents itself, so no stored vector is read
        leaves=("padding",),
        parameters={
            "smoke": {
                "n_documents_measured": 30,
                "longest": 200,
                "pads": "1,16",
                "small_width": 32,
                "small_tokens": 20_000,
                "shares": "0.15",
                "pad_placements": "before",
                "n_batches": 1,
                "classifier_documents": 90,
                "classifier_epochs": 1,
            },
            "quick": {
                "also": "reuters-r8",
                "n_documents_measured": 80,
                "longest": 500,
                "pads": "1,16,256",
                "small_tokens": 200_000,
                "shares": "0.05",
                "pad_placements": "before",
                "n_batches": 2,
                "classifier_documents": 450,
                "classifier_epochs": 2,
            },
            "reference": {"also": "reuters-r8", "scored_pads": "1,8,64,256,batch"},
        },
    ),
    Stage(
        "04_speed_and_memory",
        asks="documents",
        on_request=("quick",),
        needs=(TRAIN,),
        leaves=("speed",),
        parameters={
            "smoke": {
                "sizes": "1,16,64",
                "n_tokens": 6_000,
                "longest": 128,
                "limit_mib": 64,
                "growth": "",
                "other_model": "100/150/2",
                "other_sizes": "16",
                "other_tokens": 2_000,
                "memory_sizes": "",
                "long_documents": "",
                "price_documents": 100,
                "side": 256,
            },
            "quick": {
                "sizes": "1,8,64,256",
                "n_tokens": 40_000,
                "memory_sizes": "1,64,256",
                "other_model": "64/64/1",
                "other_sizes": "1,64",
                "growth": "100,400",
                "long_documents": "1000,4000",
            },
            "reference": {"also": "reuters-r8", "turns": 3},
        },
    ),
    Stage(
        "05_what_the_last_state_keeps",
        asks="documents",
        on_request=("quick",),
        needs=(TRAIN,),
        leaves=("last_state",),
        parameters={
            "smoke": {
                "n_probed": 30,
                "min_tokens": 30,
                "n_train": 90,
                "n_test": 60,
                "part_tokens": "10",
                "second_shape": "32/32/2",
                "second_minutes": 0.05,
                "second_batch_size": 16,
            },
            "quick": {
                "also": "reuters-r8",
                "n_probed": 100,
                "n_train": 300,
                "n_test": 150,
                "part_tokens": "40",
                "second_minutes": 0.75,
            },
            "reference": {"also": "reuters-r8"},
        },
    ),
    _scored("06_clustering", "topics", smoke={"n_seeds": 3} | WITH_IDF, quick=WITH_IDF),
    _scored("07_ranking", "topics|queries|ratings", smoke={"n_queries": 100}, quick={"also": "lee"} | WITH_IDF),
    _scored("08_classification", "held-out topics", smoke=WITH_IDF, quick=WITH_IDF),
    Stage("09_compare_runs", needs=SCORED, asks="topics|queries|ratings"),  # without these there are no scores
)

# Documents of the corpus that a profile uses; 0 is all of them.
N_DOCUMENTS = {"smoke": 400, "quick": 0, "reference": 0}
# Notebooks executed side by side: starting them is most of a small run's time, while a larger one's are timed.
AT_ONCE = {"smoke": 2, "quick": 1, "reference": 1}
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
