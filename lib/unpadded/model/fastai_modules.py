"""fastai's AWD-LSTM modules: made from a configuration, read back into one, lent; their weights without duplicates."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from fastai.text.models.awdlstm import AWD_LSTM, EmbeddingDropout, awd_lstm_lm_config
from fastai.text.models.core import LinearDecoder, SequentialRNN, get_language_model
from torch import nn

from unpadded.common import InputError

EMBEDDING, TWIN, TIED = "0.encoder.weight", "0.encoder_dp.emb.weight", "1.decoder.weight"
BIAS = "1.decoder.bias"
EMBEDDING_SIZE = "embedding_sz"  # a key of ours beside fastai's, where the embedding is not as wide as the states


def make_module(n_tokens: int, config: Mapping | None = None) -> SequentialRNN:
    """An untrained language model with fastai's configuration keys; those left out keep fastai's defaults.

    A key of our own, `embedding_sz`, is the width of an embedding that is not as wide as the last layer (`emb_sz`).
    Raises `InputError` for a key that fastai does not have and for a bidirectional model.
    """
    unknown = sorted(set(config or {}) - set(awd_lstm_lm_config) - {EMBEDDING_SIZE})
    if unknown:
        raise InputError(
            f"The model configuration has no {', '.join(unknown)}; its keys are {', '.join(awd_lstm_lm_config)}."
        )
    merged = {**awd_lstm_lm_config, **(config or {})}
    if merged["bidir"]:
        raise InputError("A bidirectional AWD-LSTM sees what stands behind a token: train one model per direction.")
    embedding_size = merged.pop(EMBEDDING_SIZE, merged["emb_sz"])
    module = get_language_model(AWD_LSTM, n_tokens, merged)
    _set_embedding_size(module[0], embedding_size)
    return module


def module_with(weights: Mapping[str, torch.Tensor], config: Mapping, *, n_tokens: int | None = None) -> SequentialRNN:
    """A language model of a configuration with the weights that `weights_of` gave; torch's random state stays as it was.

    `n_tokens`: of the vocabulary, those of the embedding unless said. Raises as `make_module` and `load_weights` do.
    """
    with torch.random.fork_rng(devices=[]):  # making it draws random weights
        module = make_module(n_tokens or len(weights[EMBEDDING]), config)
    load_weights(module, weights)
    return module


def module_of_lstm(embedding: nn.Embedding, lstm: nn.LSTM) -> SequentialRNN:
    """A language model with copies of a plain embedding and of a plain LSTM's layers; its output layer is `output_layer`'s."""
    n_tokens, emb_sz = embedding.weight.shape
    width = lstm.hidden_size
    config = {"emb_sz": width, "n_hid": width, "n_layers": lstm.num_layers, EMBEDDING_SIZE: emb_sz}
    config |= {"pad_token": embedding.padding_idx or 0, "hidden_p": lstm.dropout, "tie_weights": emb_sz == width}
    module = make_module(n_tokens, config)
    awd_lstm = module[0]
    with torch.no_grad():
        awd_lstm.encoder.weight.copy_(embedding.weight)
        for number, rnn in enumerate(awd_lstm.rnns):
            rnn.weight_hh_l0_raw.copy_(getattr(lstm, f"weight_hh_l{number}"))
            rnn.module.weight_ih_l0.copy_(getattr(lstm, f"weight_ih_l{number}"))
            for name in ("bias_ih", "bias_hh"):
                bias = getattr(lstm, f"{name}_l{number}") if lstm.bias else torch.zeros(4 * width)
                getattr(rnn.module, f"{name}_l0").copy_(bias)
    module[1].load_state_dict(output_layer(awd_lstm).state_dict())
    awd_lstm.reset()
    return module.eval()


def output_layer(awd_lstm: AWD_LSTM) -> LinearDecoder:
    """An output layer for an encoder that came without one: its embedding, with a zero bias.

    Where the embedding is not as wide as the states it is zero, which takes every token for as likely as any other.
    """
    n_tokens, emb_sz = awd_lstm.encoder.weight.shape
    tied = awd_lstm.encoder if emb_sz == awd_lstm.emb_sz else None
    with torch.random.fork_rng(devices=[]):
        decoder = LinearDecoder(n_tokens, awd_lstm.emb_sz, tie_encoder=tied)
    if tied is None:
        decoder.decoder.weight.data.zero_()
    return decoder.to(awd_lstm.encoder.weight.device)


def encoder_like(awd_lstm: AWD_LSTM) -> AWD_LSTM:
    """An AWD_LSTM of the same sizes, with random weights; torch's random state stays as it was."""
    sizes = (awd_lstm.emb_sz, awd_lstm.n_hid, awd_lstm.n_layers, awd_lstm.pad_token)
    with torch.random.fork_rng(devices=[]):
        twin = AWD_LSTM(awd_lstm.encoder.num_embeddings, *sizes)
        _set_embedding_size(twin, awd_lstm.encoder.embedding_dim)
    return twin


def _set_embedding_size(awd_lstm: AWD_LSTM, emb_sz: int) -> None:
    """Give an AWD_LSTM, whose embedding fastai makes as wide as its last layer, one of another width."""
    if emb_sz == awd_lstm.emb_sz:
        return
    first, old = awd_lstm.rnns[0], awd_lstm.encoder
    awd_lstm.encoder = nn.Embedding(old.num_embeddings, emb_sz, padding_idx=old.padding_idx)
    awd_lstm.encoder_dp = EmbeddingDropout(awd_lstm.encoder, awd_lstm.encoder_dp.embed_p)
    awd_lstm.rnns[0] = awd_lstm._one_rnn(emb_sz, first.module.hidden_size, False, first.weight_p, 0)


def weights_of(module: SequentialRNN) -> dict[str, torch.Tensor]:
    """The state dict on the CPU; an output layer that is the embedding itself, or zero, is left out."""
    tensors = {name: tensor.detach().contiguous().cpu() for name, tensor in module.state_dict().items()}
    if is_tied(module[0], module[1]) or not tensors[TIED].any():
        del tensors[TIED]
    tensors[TWIN] = tensors[EMBEDDING].clone()  # fastai registers the embedding under two names
    return tensors


def load_weights(module: SequentialRNN, weights: Mapping[str, torch.Tensor]) -> None:
    """Put what `weights_of` gave back into a module of the same configuration; raises `RuntimeError` as torch does."""
    weights = dict(weights)
    if is_tied(module[0], module[1]):
        weights[TIED] = weights[EMBEDDING]
    else:
        weights.setdefault(TIED, torch.zeros_like(module[1].decoder.weight))
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


def is_tied(awd_lstm: AWD_LSTM, decoder: nn.Module) -> bool:
    """Whether the output layer shares the embedding's matrix."""
    return decoder.decoder.weight is awd_lstm.encoder.weight


def config_of(awd_lstm: AWD_LSTM, decoder: nn.Module) -> dict:
    """The configuration from which `make_module` makes such modules."""
    embedding_size = awd_lstm.encoder.embedding_dim
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
        "output_p": float(decoder.output_dp.p),
        "tie_weights": is_tied(awd_lstm, decoder),
        "out_bias": decoder.decoder.bias is not None,
        **({} if embedding_size == awd_lstm.emb_sz else {EMBEDDING_SIZE: embedding_size}),
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
