"""The noun `LanguageModel`: a fastai AWD-LSTM, its vocabulary and its tokenizer, stored without pickle."""

import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from fastai.text.models.awdlstm import AWD_LSTM, awd_lstm_lm_config
from fastai.text.models.core import SequentialRNN, get_language_model
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from .errors import InputError
from .files import atomic_write, read_json, sha256_of, write_json
from .tokens import TokenizerSettings, tokenize, vocabulary_index

FORMAT = 1
TIED = "1.decoder.weight"  # not stored when it is the embedding matrix itself
FILES = ("weights.safetensors", "vocab.json", "config.json")


class LanguageModel:
    """A trained AWD-LSTM language model.

    `module` is what fastai's `get_language_model(AWD_LSTM, ...)` returns; `vocab` lists the token of every row of its
    embedding; `tokenizer` says how texts become tokens; `training` holds one row a logged step (see `training.py`) and
    `card` what is known about how it was made. Raises `InputError` when module and vocabulary do not fit each other.
    """

    def __init__(
        self,
        module: SequentialRNN,
        vocab: Sequence[str],
        tokenizer: TokenizerSettings | None = None,
        *,
        training: pd.DataFrame | None = None,
        card: dict | None = None,
    ):
        first = module[0] if isinstance(module, torch.nn.Sequential) and len(module) else module
        if not isinstance(first, AWD_LSTM):
            raise InputError(
                f"The module begins with {type(first).__name__}, not with fastai's AWD_LSTM: give an LSTM."
            )
        if len(vocab) != first.encoder.num_embeddings:
            raise InputError(
                f"The vocabulary has {len(vocab)} tokens but the model's embedding has {first.encoder.num_embeddings} "
                "rows: give the vocabulary that the model was trained with."
            )
        self.module, self.vocab = module, list(vocab)
        self.tokenizer = tokenizer or TokenizerSettings()
        self.training = training if training is not None else pd.DataFrame()
        self.card = dict(card or {})

    def __repr__(self) -> str:
        return f"LanguageModel({len(self.vocab)} tokens, {self.emb_sz}/{self.n_hid}/{self.n_layers})"

    @property
    def awd_lstm(self) -> AWD_LSTM:
        """The encoder half of the module."""
        return self.module[0]

    @property
    def emb_sz(self) -> int:
        """Width of the token embeddings and of the last layer's states."""
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
    def fingerprint(self) -> str:
        """SHA-256 over weights, vocabulary and tokenizer, as 64 hexadecimal digits."""
        digest = hashlib.sha256("\x00".join([*self.vocab, self.tokenizer.key]).encode("utf-8", "surrogatepass"))
        for name, tensor in sorted(_weights(self.module).items()):
            digest.update(name.encode() + tensor.cpu().numpy().tobytes())
        return digest.hexdigest()

    @classmethod
    def new(cls, vocab: Sequence[str], config: dict | None = None, **kwargs) -> "LanguageModel":
        """An untrained model with fastai's configuration keys (`emb_sz`, `n_hid`, `n_layers`, `weight_p`, ...).

        Keys that are left out keep fastai's defaults; a key that fastai does not have is an `InputError`.
        """
        unknown = sorted(set(config or {}) - set(awd_lstm_lm_config))
        if unknown:
            raise InputError(
                f"The model configuration has no {', '.join(unknown)}; its keys are {', '.join(awd_lstm_lm_config)}."
            )
        merged = {**awd_lstm_lm_config, **(config or {})}
        if merged["bidir"]:
            raise InputError("A bidirectional AWD-LSTM sees what stands behind a token: train one model per direction.")
        return cls(get_language_model(AWD_LSTM, len(vocab), merged), vocab, **kwargs)

    @classmethod
    def from_learner(cls, learn) -> "LanguageModel":
        """The language model inside any fastai text Learner whose encoder is an AWD_LSTM.

        The weights are copied. From a classifier the encoder is taken; its output layer, which the classifier does not
        have, is then the embedding with a zero bias. Raises `InputError` for any other architecture.
        """
        source = getattr(learn.model, "module", learn.model)
        awd_lstm = next((m for m in source.modules() if isinstance(m, AWD_LSTM)), None)
        if awd_lstm is None:
            raise InputError(
                "The Learner's model has no AWD_LSTM in it: only AWD-LSTM encoders can be streamed exactly."
            )
        vocab = _learner_vocab(learn, awd_lstm.encoder.num_embeddings)
        decoder = source[1] if hasattr(source[1] if len(source) > 1 else None, "decoder") else None
        model = cls.new(vocab, _config_of(awd_lstm, decoder), tokenizer=_learner_tokenizer(learn))
        model.awd_lstm.load_state_dict(awd_lstm.state_dict())
        if decoder is not None:
            model.module[1].load_state_dict(decoder.state_dict())
        model.module.to(awd_lstm.encoder.weight.device).eval()
        return model

    def numericalize(self, texts: Sequence[str], *, n_workers: int | None = None) -> list[np.ndarray]:
        """Token ids of each text, a list of int32 arrays [n_tokens]; unknown tokens are 0, every text begins xxbos."""
        corpus = tokenize(list(texts), self.tokenizer, n_workers=n_workers).with_vocab(self.vocab)
        return [corpus[i] for i in range(len(corpus))]

    def decode(self, token_ids: Sequence[int]) -> list[str]:
        """The tokens that `token_ids` stand for."""
        return [self.vocab[i] for i in token_ids]

    def nearest_words(self, words: Sequence[str], *, k: int = 6) -> pd.DataFrame:
        """For each word the `k` words whose input embeddings are nearest by cosine; columns word, nearest."""
        table = torch.nn.functional.normalize(self.awd_lstm.encoder.weight.detach().float().cpu())
        index = vocabulary_index(self.vocab)
        rows = []
        for word in words:
            if word not in index:
                raise InputError(f"The vocabulary has no word {word!r}: give one of the model's own.")
            found = (table @ table[index[word]]).topk(k + 1).indices.tolist()
            rows.append((word, ", ".join(self.vocab[i] for i in found if i != index[word])))
        return pd.DataFrame(rows, columns=["word", "nearest"])

    def save(self, folder: str | os.PathLike) -> Path:
        """Write the model to `folder`: safetensors weights, JSON vocabulary and configuration, CSV training curve.

        Every file is written atomically; `config.json`, which holds the checksums of the others, comes last.
        """
        if self.tokenizer.kind == "custom":
            raise InputError("A model with a custom tokenizer cannot be stored: give it a TokenizerSettings first.")
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        settings = self.tokenizer.to_dict()
        if self.tokenizer.kind == "subword":
            settings["subword_model"] = "subword.model"
            _copy(self.tokenizer.subword_model, folder / "subword.model")
        with atomic_write(folder / "weights.safetensors") as file:
            file.write(save(_weights(self.module)))
        write_json(folder / "vocab.json", self.vocab)
        with atomic_write(folder / "training.csv") as file:
            self.training.to_csv(file, index=False)
        names = ["weights.safetensors", "vocab.json", "training.csv"] + ["subword.model"] * (
            "subword_model" in settings and bool(settings["subword_model"])
        )
        write_json(
            folder / "config.json",
            {
                "format": FORMAT,
                "model": _config_of(self.awd_lstm, self.module[1]),
                "tokenizer": settings,
                "card": self.card,
                "sha256": {name: sha256_of(folder / name) for name in names},
            },
        )
        return folder

    @classmethod
    def load(cls, folder: str | os.PathLike) -> "LanguageModel":
        """Read what `save` wrote. Raises `InputError` for a folder that is missing, torn, altered or foreign."""
        folder = Path(folder)
        missing = [name for name in FILES if not (folder / name).is_file()]
        if missing:
            raise InputError(
                f"{folder} is no language model: {', '.join(missing)} missing; give a folder made by save()."
            )
        try:
            config = read_json(folder / "config.json")
            if config["format"] != FORMAT:
                raise InputError(f"{folder} has format {config['format']}, this version reads {FORMAT}: save it again.")
            altered = [name for name, digest in config["sha256"].items() if sha256_of(folder / name) != digest]
            if altered:
                raise InputError(f"{folder}: {', '.join(altered)} is torn or altered: copy or train the model again.")
            settings = config["tokenizer"]
            if settings["subword_model"]:
                settings["subword_model"] = str(folder / settings["subword_model"])
            model = cls.new(
                read_json(folder / "vocab.json"),
                config["model"],
                tokenizer=TokenizerSettings(**settings),
                training=_read_csv(folder / "training.csv"),
                card=config["card"],
            )
            weights = load_file(folder / "weights.safetensors")
            if config["model"]["tie_weights"]:
                weights[TIED] = weights["0.encoder.weight"]
            model.module.load_state_dict(weights)
        except InputError:
            raise
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(
                f"{folder} cannot be read as a language model ({reason}): save the model again."
            ) from error
        model.module.eval()
        return model


def _weights(module: SequentialRNN) -> dict[str, torch.Tensor]:
    """The state dict without what is stored twice (fastai registers the embedding under two names, ties a third)."""
    tensors = {name: tensor.detach().contiguous().cpu() for name, tensor in module.state_dict().items()}
    if _tied(module[0], module[1]):
        del tensors[TIED]
    tensors["0.encoder_dp.emb.weight"] = tensors["0.encoder.weight"].clone()
    return tensors


def _tied(awd_lstm: AWD_LSTM, decoder: torch.nn.Module | None) -> bool:
    return decoder is None or decoder.decoder.weight is awd_lstm.encoder.weight


def _config_of(awd_lstm: AWD_LSTM, decoder: torch.nn.Module | None) -> dict:
    """fastai's configuration, read back from the modules it made."""
    if getattr(awd_lstm, "n_dir", 1) != 1:
        raise InputError("A bidirectional AWD-LSTM sees what stands behind a token: give one model per direction.")
    return {
        **awd_lstm_lm_config,
        "emb_sz": awd_lstm.emb_sz,
        "n_hid": awd_lstm.n_hid,
        "n_layers": awd_lstm.n_layers,
        "pad_token": awd_lstm.pad_token,
        "hidden_p": float(awd_lstm.hidden_dps[0].p),
        "input_p": float(awd_lstm.input_dp.p),
        "embed_p": float(awd_lstm.encoder_dp.embed_p),
        "weight_p": float(awd_lstm.rnns[0].weight_p),
        "output_p": float(decoder.output_dp.p) if decoder is not None else awd_lstm_lm_config["output_p"],
        "tie_weights": _tied(awd_lstm, decoder),
        "out_bias": decoder is None or decoder.decoder.bias is not None,
    }


def _learner_vocab(learn, size: int) -> list[str]:
    """The token list among a Learner's vocabularies (a classifier's `dls.vocab` is [tokens, categories])."""
    vocab = learn.dls.vocab
    if len(vocab) and not isinstance(vocab[0], str):
        vocab = vocab[0]
    if len(vocab) != size:
        raise InputError(
            f"The Learner's vocabulary has {len(vocab)} tokens and its embedding {size} rows: they must agree."
        )
    return list(vocab)


def _learner_tokenizer(learn) -> TokenizerSettings:
    """Which of fastai's tokenizers the Learner's texts went through."""
    from fastai.text.core import SentencePieceTokenizer, SpacyTokenizer, Tokenizer, defaults

    found = getattr(learn.dls, "tokenizer", None)
    if found is None:
        transforms = [f for pipeline in getattr(learn.dls.train_ds, "tls", []) for f in pipeline.tfms.fs]
        found = next((f for f in transforms if isinstance(f, Tokenizer)), None)
    if found is None:
        return TokenizerSettings()
    tok, rules = getattr(found, "tok", None), list(getattr(found, "rules", defaults.text_proc_rules))
    if rules == list(defaults.text_proc_rules) and isinstance(tok, SentencePieceTokenizer) and tok.sp_model:
        return TokenizerSettings("subword", subword_model=str(tok.sp_model))
    if rules == list(defaults.text_proc_rules) and isinstance(tok, SpacyTokenizer):
        return TokenizerSettings("word")
    return TokenizerSettings("custom")


def _read_csv(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path)
    except (pd.errors.EmptyDataError, FileNotFoundError):
        return pd.DataFrame()


def _copy(source: str, target: Path) -> None:
    if Path(source).resolve() == target.resolve():
        return
    with open(source, "rb") as original, atomic_write(target) as copy:
        shutil.copyfileobj(original, copy)
