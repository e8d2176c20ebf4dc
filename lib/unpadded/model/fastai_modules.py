"""fastai's AWD-LSTM modules: made from a configuration, read back into one, lent; their weights without duplicates."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from fastai.text.models.awdlstm import AWD_LSTM, awd_lstm_lm_config
from fastai.text.models.core import SequentialRNN, get_language_model

from unpadded.common import InputError

EMBEDDING, TWIN, TIED = "0.encoder.weight", "0.encoder_dp.emb.weight", "1.decoder.weight"
BIAS = "1.decoder.bias"


def make_module(n_tokens: int, config: Mapping | None = None) -> SequentialRNN:
    """An untrained language model with fastai's configuration keys; those left out keep fastai's defaults.

    Raises `InputError` for a key that fastai does not have and for a bidirectional model.
    """
    unknown = sorted(set(config or {}) - set(awd_lstm_lm_config))
    if unknown:
        raise InputError(
            f"The model configuration has no {', '.join(unknown)}; its keys are {', '.join(awd_lstm_lm_config)}."
        )
    merged = {**awd_lstm_lm_config, **(config or {})}
    if merged["bidir"]:
        raise InputError("A bidirectional AWD-LSTM sees what stands behind a token: train one model per direction.")
    return get_language_model(AWD_LSTM, n_tokens, merged)


def weights_of(module: SequentialRNN) -> dict[str, torch.Tensor]:
    """The state dict on the CPU; a tied output layer is left out, since it is the embedding itself."""
    tensors = {name: tensor.detach().contiguous().cpu() for name, tensor in module.state_dict().items()}
    if is_tied(module[0], module[1]):
        del tensors[TIED]
    tensors[TWIN] = tensors[EMBEDDING].clone()  # fastai registers the embedding under two names
    return tensors


def load_weights(module: SequentialRNN, weights: Mapping[str, torch.Tensor]) -> None:
    """Put what `weights_of` gave back into a module of the same configuration; raises `RuntimeError` as torch does."""
    weights = dict(weights)
    if is_tied(module[0], module[1]):
        weights[TIED] = weights[EMBEDDING]
    module.load_state_dict(weights)


@contextmanager
def borrowed(module: SequentialRNN) -> Iterator[AWD_LSTM]:
    """Lend a language model's encoder, in evaluation mode and with a zero state, for the length of a block.

    Behind the block, even one that raises, `module` has the carried state and the modes that it had before.
    """
    awd_lstm: AWD_LSTM = module[0]
    hidden, batch_size = awd_lstm.hidden, awd_lstm.bs
    modes = [(part, part.training) for part in module.modules()]
    try:
        module.eval()
        module.reset()
        yield awd_lstm
    finally:
        for part, training in modes:
            part.training = training
        awd_lstm.hidden, awd_lstm.bs = hidden, batch_size


def is_tied(awd_lstm: AWD_LSTM, decoder: torch.nn.Module | None) -> bool:
    """Whether the output layer shares the embedding's matrix (a model without one counts as tied)."""
    return decoder is None or decoder.decoder.weight is awd_lstm.encoder.weight


def config_of(awd_lstm: AWD_LSTM, decoder: torch.nn.Module | None) -> dict:
    """fastai's configuration, read back from the modules it made. Raises `InputError` for a bidirectional model."""
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
        "tie_weights": is_tied(awd_lstm, decoder),
        "out_bias": decoder is None or decoder.decoder.bias is not None,
    }


def config_of_weights(weights: Mapping[str, torch.Tensor]) -> dict:
    """The sizes that a state dict's tensors have, as fastai's configuration; raises `KeyError` for a foreign one."""
    layers = [name for name in weights if name.endswith(".weight_hh_l0_raw")]
    embedding = weights[EMBEDDING]
    return {
        "emb_sz": embedding.shape[1],
        "n_hid": weights["0.rnns.0.weight_hh_l0_raw"].shape[1],
        "n_layers": len(layers),
        "out_bias": BIAS in weights or TIED not in weights,
        "tie_weights": TIED not in weights or torch.equal(weights[TIED], embedding),
    }
