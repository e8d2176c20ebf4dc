"""The noun `LanguageModel`: a fastai AWD-LSTM, its vocabulary, its tokenizer and the direction it reads in."""

import copy
import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from fastai.text.models.awdlstm import AWD_LSTM
from torch import nn

from unpadded.common import InputError, computed
from unpadded.model import from_learner as learners
from unpadded.model.continuation import continue_text
from unpadded.model.encoder_in import as_language_model, check_embedding, check_finite, check_hooks, check_lstm
from unpadded.model.fastai_modules import config_of, make_module, module_of_lstm, module_with, weights_of
from unpadded.model.from_export import read_export
from unpadded.model.learner_tokens import tokenizer_of
from unpadded.model.nearest import nearest_words
from unpadded.model.pickling import packed, unpacked
from unpadded.model.storage import BACKWARD, has_backward, read_model, write_model
from unpadded.model.weights_file import read_weights
from unpadded.tokens import MARKERS_OF_BEGIN, TokenizerSettings, tokenize


class LanguageModel:
    """A trained AWD-LSTM language model.

    `module` is what fastai's `get_language_model(AWD_LSTM, ...)` returns, or an AWD_LSTM alone, or any module with one in
    it; it is not copied, so the model follows when it is trained on. `vocab` lists the token of every row of its embedding;
    `tokenizer` says how texts become tokens: settings, or a function from a text to its tokens. `training` holds one row a
    logged step (see `training/log.py`), `tuning` the same of `tune`; `card` is what is known about how it was made.
    `direction` "backward": it reads documents from their last token to their first. A forward model may carry a `backward`
    one of the same vocabulary (see `with_backward`); an encoder then puts the vectors of both side by side. Raises
    `InputError` when module and vocabulary do not fit each other, for a module that cannot be streamed exactly, and for
    weights that are not finite.
    """

    def __init__(
        self,
        module: nn.Module,
        vocab: Sequence[str],
        tokenizer: TokenizerSettings | Callable[[str], Sequence[str]] | None = None,
        *,
        direction: str = "forward",
        training: pd.DataFrame | None = None,
        tuning: pd.DataFrame | None = None,
        card: dict | None = None,
    ):
        module = as_language_model(module)
        n_rows = module[0].encoder.num_embeddings
        if len(vocab) != n_rows:
            raise InputError(
                f"The vocabulary has {len(vocab)} tokens but the model's embedding has {n_rows} rows: give the vocabulary "
                "that the model was trained with."
            )
        check_finite(module)
        if direction not in ("forward", "backward"):
            raise InputError(f"The direction is {direction!r}: give 'forward' or 'backward'.")
        self.module, self.vocab = module, list(vocab)
        if callable(tokenizer):
            tokenizer = TokenizerSettings("custom", own=tokenizer)
        self.tokenizer, self.direction = tokenizer or TokenizerSettings(), direction
        self.backward: LanguageModel | None = None
        self.training = training if training is not None else pd.DataFrame()
        self.tuning = tuning if tuning is not None else pd.DataFrame()
        self.card = dict(card or {})
        self.folder: Path | None = None  # where it was last read from or saved to

    def __repr__(self) -> str:
        direction = "both directions" if self.backward else self.direction
        return f"LanguageModel({len(self.vocab)} tokens, {self.emb_sz}/{self.n_hid}/{self.n_layers}, {direction})"

    @property
    def awd_lstm(self) -> AWD_LSTM:
        """The encoder half of the module."""
        return self.module[0]

    @property
    def emb_sz(self) -> int:
        """Width of the last layer's states, and of the token embeddings but where `from_lstm` was given others."""
        return self.awd_lstm.emb_sz

    @property
    def n_hid(self) -> int:
        """Width of the states of the layers below the last."""
        return self.awd_lstm.n_hid

    @property
    def n_layers(self) -> int:
        """Number of LSTM layers."""
        return self.awd_lstm.n_layers

    @property
    def directions(self) -> tuple["LanguageModel", ...]:
        """The models whose vectors stand side by side: this one, and the backward one where there is one."""
        return (self,) if self.backward is None else (self, self.backward)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over weights, vocabulary, tokenizer and direction(s), as 64 hexadecimal digits."""
        digest = hashlib.sha256("\x00".join([*self.vocab, self.tokenizer.key]).encode("utf-8", "surrogatepass"))
        for name, tensor in sorted(weights_of(self.module).items()):
            digest.update(name.encode() + tensor.cpu().numpy().tobytes())
        if self.direction == "backward":
            digest.update(b"backward")
        if self.backward is not None:
            digest.update(self.backward.fingerprint.encode())
        return digest.hexdigest()

    @classmethod
    def new(cls, vocab: Sequence[str], config: dict | None = None, **kwargs) -> "LanguageModel":
        """An untrained model with fastai's configuration keys (`emb_sz`, `n_hid`, `n_layers`, `weight_p`, ...).

        Keys that are left out keep fastai's defaults; a key that fastai does not have is an `InputError`.
        """
        return cls(make_module(len(vocab), config), vocab, **kwargs)

    @classmethod
    def from_learner(cls, learn, *, run_its_code: bool = False) -> "LanguageModel":
        """The language model inside any fastai text Learner whose encoder is an AWD_LSTM.

        `learn`: a Learner, or the path of an exported one, a pickle that is only read with `run_its_code` because reading
        it runs code from it. The weights are copied. From a classifier the encoder is taken; its output layer, which the
        classifier does not have, is then the embedding with a zero bias. Raises `InputError` for any other architecture.
        """
        if isinstance(learn, (str, os.PathLike)):
            learn = learners.open_export(learn, run_its_code=run_its_code)
        source = as_language_model(learn.model)
        vocab = learners.vocabulary_of(learn, source[0].encoder.num_embeddings)
        tokenizer, direction = tokenizer_of(learn, vocab), learners.direction_of(learn)
        return cls(_copied(source).eval(), vocab, tokenizer, direction=direction)

    @classmethod
    def from_lstm(
        cls, embedding: nn.Embedding, lstm: nn.LSTM, vocab: Sequence[str], *args, **kwargs
    ) -> "LanguageModel":
        """The model of a plain torch embedding and LSTM (one direction, any number of layers); the weights are copied.

        `vocab`: the token of every row of the embedding; other arguments are the constructor's. The output layer, which
        an LSTM does not have, is the embedding with a zero bias, or zero where the embedding is not as wide as the states.
        Raises `InputError` for any other kind of module and for layers that do not fit each other.
        """
        for check, part in (
            (check_embedding, embedding),
            (check_lstm, lstm),
            (check_hooks, embedding),
            (check_hooks, lstm),
        ):
            check(part)
        if lstm.input_size != embedding.embedding_dim:
            raise InputError(
                f"The embedding is {embedding.embedding_dim} wide and the LSTM reads {lstm.input_size} numbers: give two "
                "that belong together."
            )
        with torch.random.fork_rng(devices=[]):
            return cls(module_of_lstm(embedding, lstm), vocab, *args, **kwargs)

    @classmethod
    def from_weights(cls, path: str | os.PathLike, vocab: Sequence[str], **kwargs) -> "LanguageModel":
        """The model of a `.pth` file that `Learner.save` or `save_encoder` of any fastai wrote; no code in it is run.

        An optimizer beside the weights is left out; of a classifier the encoder is taken. `vocab`: the list
        `learn.dls.vocab`; `kwargs`: `tokenizer`, `direction`. Raises `InputError` for any other file.
        """
        return cls(read_weights(path).eval(), vocab, **kwargs)

    @classmethod
    def from_export(cls, folder: str | os.PathLike) -> "LanguageModel":
        """The model in a folder that `export_script.py` wrote where another version of fastai is installed.

        Texts are read where one of the tokenizers here makes the ids that the Learner's own made of the examples in the
        folder; otherwise a warning says so, and documents have to be token ids. Raises `InputError` for any other folder.
        """
        module, vocab, tokenizer, direction = read_export(Path(folder))
        return cls(module, vocab, tokenizer, direction=direction)

    def with_backward(self, backward: "LanguageModel") -> "LanguageModel":
        """This forward model together with a backward one of the same vocabulary and tokenizer; nothing is copied.

        Raises `InputError` for models that do not read the same tokens in opposite directions.
        """
        if (self.direction, backward.direction) != ("forward", "backward"):
            raise InputError(
                f"The two models read {self.direction} and {backward.direction}: give a forward and a backward one."
            )
        if self.vocab != backward.vocab or self.tokenizer.key != backward.tokenizer.key:
            raise InputError("The forward and the backward model read different tokens: train both on one vocabulary.")
        both = copy.copy(self)
        both.backward, both.folder = backward, None
        return both

    def directed(self, direction: str) -> "LanguageModel":
        """The part of this model that reads in `direction`. Raises `InputError` where it has none."""
        for model in self.directions:
            if model.direction == direction:
                return model if model.backward is None else copy.copy(model)._alone()
        raise InputError(f"The model reads {self.direction} only: give one that reads {direction}.")

    def numericalize(self, texts: Sequence[str], *, n_workers: int | None = None) -> list[np.ndarray]:
        """Token ids of each text, a list of int32 arrays [n_tokens]; unknown tokens are 0, every text begins xxbos.

        `texts`: any iterable of str but a str. `n_workers`: processes (default: every core, once there is enough to share).
        A model `from_learner` gives the ids that the Learner's own tokenizer gives. Raises `InputError` for what is no list
        of texts, and where the model was trained with a tokenizer that is not known here.
        """
        corpus = tokenize(texts, self.tokenizer, n_workers=n_workers)
        if (
            len(corpus)
            and self.tokenizer.kind != "custom"
            and not any(marker in self.vocab for marker in MARKERS_OF_BEGIN)
        ):
            raise InputError(
                "The vocabulary has no xxbos, with which fastai's tokenizers begin every text: give the vocabulary and the "
                "tokenizer of the training, or encode token ids."
            )
        corpus = corpus.with_vocab(self.vocab, filler=self.tokenizer.filler)
        return [corpus[i] for i in range(len(corpus))]

    def as_read(self, documents: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The tokens of each document in the order in which the model reads them: a backward one begins at the end."""
        return [tokens[::-1] for tokens in documents] if self.direction == "backward" else list(documents)

    def decode(self, token_ids: Sequence[int]) -> list[str]:
        """The tokens that `token_ids` stand for. Raises `IndexError` for an id that is not in the vocabulary."""
        return [self.vocab[i] for i in token_ids]

    def continue_text(self, prompt: str, *, n_tokens: int = 40, temperature: float = 0.8, seed: int = 0) -> str:
        """`prompt` and what the model takes to follow it (a backward model: to stand before it), drawn by `seed`.

        `n_tokens`: at most; a `temperature` below 1 keeps to what is likely. Raises `InputError` for one that is not positive.
        """
        return continue_text(self, prompt, n_tokens=n_tokens, temperature=temperature, seed=seed)

    def nearest_words(self, words: Sequence[str], *, k: int = 6) -> pd.DataFrame:
        """For each word the `k` words whose input embeddings are nearest by cosine; columns word, nearest (comma separated).

        Raises `InputError` for a word that is not in the vocabulary.
        """
        return nearest_words(self.awd_lstm.encoder.weight, self.vocab, words, k=k)

    def save(self, folder: str | os.PathLike) -> Path:
        """Write the model to `folder`: safetensors weights, JSON vocabulary and configuration, CSV training curve.

        A backward half goes into `folder`/backward. Every file is written atomically; `config.json`, which holds the
        checksums of the others, comes last. Raises `InputError` for a custom tokenizer, which cannot be stored.
        """
        folder = Path(folder)
        write_model(self, folder)
        self.folder = folder.resolve()
        return folder

    @classmethod
    def load(cls, folder: str | os.PathLike) -> "LanguageModel":
        """Read what `save` wrote. Raises `InputError` for a folder that is missing, torn, altered or foreign."""
        folder = Path(folder)
        arguments, keywords = read_model(folder)
        model = cls(*arguments, **keywords)
        if has_backward(folder):
            model = model.with_backward(cls.load(folder / BACKWARD))
        model.folder = folder.resolve()
        return model

    def __deepcopy__(self, memo: dict) -> "LanguageModel":
        # Made anew: a module that has been run holds dropped-out weights, which torch refuses to copy.
        twin = copy.copy(self)
        twin.module = _copied(self.module).train(self.module.training)
        twin.vocab, twin.training = list(self.vocab), self.training.copy()
        twin.tuning = self.tuning.copy()
        twin.card, twin.backward = copy.deepcopy(self.card, memo), copy.deepcopy(self.backward, memo)
        return twin

    def __copy__(self) -> "LanguageModel":
        twin = object.__new__(type(self))  # without `__getstate__`: the module is shared
        vars(twin).update(vars(self))
        return twin

    def __getstate__(self) -> dict:
        return {**vars(self), "module": computed(packed, self.module)}

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state, module=computed(unpacked, state["module"]))

    def _alone(self) -> "LanguageModel":
        self.backward, self.folder = None, None
        return self


def _copied(module: nn.Sequential) -> nn.Sequential:
    """A language model's module made anew, with the same weights on the same device."""
    twin = module_with(weights_of(module), config_of(module[0], module[1]))
    return twin.to(module[0].encoder.weight.device)
