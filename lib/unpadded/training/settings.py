"""How a language model is trained: every number of it in one place."""

from dataclasses import dataclass

from unpadded.training.checking import check_settings

VALIDATION_TOKENS = 50_000  # enough for a perplexity within about two per cent, quick to measure with the full softmax
DIRECTIONS = ("forward", "backward", "both")
PAD_PLACEMENTS = ("before", "random")
CHOICES = {
    "direction": DIRECTIONS,
    "precision": ("auto", "float32", "bfloat16", "float16"),
    "initial_embeddings": ("lsa", "random"),
    "pad_placement": PAD_PLACEMENTS,
}


@dataclass(frozen=True)
class TrainingSettings:
    """How a language model is trained; the defaults are the recipe for two to eight CPU cores.

    `epochs` passes over the corpus end the training, or `max_minutes`, whichever comes first; the learning rate completes
    its cycle either way. With `patience` it ends before that where so many passes in a row have not improved the
    validation loss, and the weights of the best are taken. `dropout` multiplies fastai's dropout probabilities.
    `negatives` = 0 trains with the full softmax. `window` is in tokens, `clip` bounds the gradient's norm. `direction`:
    "forward", "backward" (documents are read reversed) or "both" (one model each, trained one after the other, half of
    `max_minutes` each). `precision` is "auto" (bfloat16 where the hardware multiplies it faster, float16 on GPUs that only
    have that), "float32", "bfloat16", or, on GPUs, "float16" with scaled gradients. `pad_injection`: share of the tokens
    that are pads put into the training text, and `pad_placement` where: "before" documents or "random" (see
    `pad_injection.py`).
    From scratch (see `initialization.py`): `initial_embeddings` "lsa" or "random" as fastai has them, `pass_through` the
    strength with which LSTM layers begin as averages of their inputs (0: as fastai has them).
    """

    emb_sz: int = 400
    n_hid: int = 400
    n_layers: int = 1
    max_vocab: int = 24_000
    min_count: int = 3
    dropout: float = 0.4
    batch_size: int = 32
    window: int = 70
    epochs: int = 2
    max_minutes: float = 0.0  # 0: no limit
    patience: int = 0  # 0: no end before that
    learning_rate: float = 6e-3
    warmup: float = 0.15  # share of the training spent reaching the peak learning rate
    weight_decay: float = 0.01
    clip: float = 0.25
    negatives: int = 1_024
    direction: str = "forward"
    pad_injection: float = 0.0
    pad_placement: str = "before"
    initial_embeddings: str = "lsa"
    pass_through: float = 4.0
    precision: str = "auto"
    seed: int = 0

    def __post_init__(self):
        sizes = ("emb_sz", "n_hid", "n_layers", "batch_size", "window", "epochs")
        check_settings(self, "Training", at_least=dict.fromkeys(sizes, 1), choices=CHOICES, shares=("pad_injection",))
