"""The AWD_LSTM in somebody's module: found, and refused where it computes what the engine does not."""

import torch
from fastai.text.models.awdlstm import AWD_LSTM, WeightDropout
from fastai.text.models.core import LinearDecoder, SequentialRNN
from torch import nn

from unpadded.common import InputError
from unpadded.model.fastai_modules import output_layer


def as_language_model(module: nn.Module) -> SequentialRNN:
    """`module` as an AWD_LSTM with its output layer: itself where it is one, or else around the one AWD_LSTM in it.

    An encoder without an output layer gets its embedding as one, with a zero bias. Nothing is copied. Raises `InputError`
    unless there is exactly one AWD_LSTM, and for one that cannot be streamed exactly.
    """
    awd_lstm = encoder_in(module)
    parts = list(module.children()) if isinstance(module, nn.Sequential) else []
    if len(parts) > 1 and parts[0] is awd_lstm and hasattr(parts[1], "decoder"):
        return module
    shape = (awd_lstm.encoder.num_embeddings, awd_lstm.emb_sz)
    fitting = [m for m in module.modules() if isinstance(m, LinearDecoder) and m.decoder.weight.shape == shape]
    decoder = fitting[0] if len(fitting) == 1 else output_layer(awd_lstm)
    return SequentialRNN(awd_lstm, decoder)


def encoder_in(module: nn.Module) -> AWD_LSTM:
    """The one AWD_LSTM in `module`. Raises `InputError` as `as_language_model` does."""
    if not isinstance(module, nn.Module):
        raise InputError(f"The model is a {type(module).__name__}, no torch module: give an AWD_LSTM.")
    found = [part for part in module.modules() if isinstance(part, AWD_LSTM)]
    if not found:
        parts = ", ".join(type(part).__name__ for part in module.children())
        raise InputError(
            f"The model, {type(module).__name__} of {parts or 'no parts'}, has no AWD_LSTM in it: only those can be streamed "
            "exactly, and a plain torch LSTM by LanguageModel.from_lstm."
        )
    if len(found) > 1:
        raise InputError(f"The model has {len(found)} AWD_LSTMs in it: give the one that is meant.")
    check_encoder(found[0])
    return found[0]


def check_encoder(awd_lstm: AWD_LSTM) -> None:
    """Raise `InputError` where fastai would not compute what the weights alone say: another cell, both directions, hooks."""
    if getattr(awd_lstm, "n_dir", 1) != 1:
        raise InputError("A bidirectional AWD-LSTM sees what stands behind a token: give one model per direction.")
    if type(awd_lstm).forward is not AWD_LSTM.forward:
        raise InputError(f"{type(awd_lstm).__name__} has a forward pass of its own: give fastai's AWD_LSTM itself.")
    for number, rnn in enumerate(awd_lstm.rnns):
        check_lstm(getattr(rnn, "module", rnn), f"Layer {number}")
        if not isinstance(rnn, WeightDropout) or rnn.module.num_layers != 1 or not rnn.module.batch_first:
            raise InputError(
                f"Layer {number} is no WeightDropout around an LSTM of one layer: give it as fastai makes it."
            )
    check_embedding(awd_lstm.encoder)
    if awd_lstm.encoder_dp.emb.weight is not awd_lstm.encoder.weight:
        raise InputError(
            "The AWD_LSTM looks its tokens up in another table than its encoder: give encoder_dp that table."
        )
    check_hooks(awd_lstm)


def check_lstm(lstm: nn.Module, name: str = "The LSTM") -> None:
    """Raise `InputError` unless `lstm` is torch's LSTM, of one direction and without a projection."""
    if type(lstm) is not nn.LSTM:
        raise InputError(f"{name} is a {type(lstm).__name__}: only torch's LSTM can be streamed exactly, so give one.")
    if lstm.bidirectional:
        raise InputError(f"{name} is bidirectional and sees what stands behind a token: give one model per direction.")
    if lstm.proj_size:
        raise InputError(f"{name} projects its states to {lstm.proj_size} numbers: give one without proj_size.")


def check_embedding(embedding: nn.Module) -> None:
    """Raise `InputError` unless `embedding` is torch's, without the rescaling of rows that `max_norm` asks for."""
    if type(embedding) is not nn.Embedding:
        raise InputError(f"The embedding is a {type(embedding).__name__}: give torch's nn.Embedding.")
    if embedding.max_norm is not None:
        raise InputError("The embedding rescales its rows while it reads (max_norm): give one without max_norm.")


def check_hooks(module: nn.Module) -> None:
    """Raise `InputError` for forward hooks and parametrizations: the weights are read, the module is never run."""
    for name, part in module.named_modules():
        where = f"{type(part).__name__} {name!r}" if name else type(part).__name__
        if part._forward_hooks or part._forward_pre_hooks:
            raise InputError(f"{where} has a forward hook, which would not be run: remove it first.")
        if hasattr(part, "parametrizations"):
            raise InputError(
                f"{where} has parametrized weights: call torch.nn.utils.parametrize.remove_parametrizations first."
            )


def check_finite(module: nn.Module) -> None:
    """Raise `InputError` naming the first tensor of `module` with a NaN or an infinity in it."""
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            n = int((~torch.isfinite(tensor)).sum())
            raise InputError(
                f"The weights {name} hold numbers that are not finite, {n} of {tensor.numel()}: the training went "
                "wrong, train again."
            )
