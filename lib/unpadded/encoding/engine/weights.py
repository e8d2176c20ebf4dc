"""fastai's AWD_LSTM taken apart: the numbers that its forward pass uses outside training, in the engine's layouts."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from unpadded.common import InputError

LANES = 32  # widths are padded to whole vector registers: torch's vector and scalar sigmoid differ in their last bits


@dataclass(frozen=True)
class LayerWeights:
    """One LSTM layer as torch has it, float32, its four gates one below the other: i, f, g, o (input, forget, cell, output).

    `input` [4 * width, n_in], `recurrent` [4 * width, width], `input_bias` and `recurrent_bias` [4 * width]. `lanes`: the
    engine's layouts have zero units behind the layer's own, up to a multiple of it.
    """

    input: torch.Tensor
    recurrent: torch.Tensor
    input_bias: torch.Tensor
    recurrent_bias: torch.Tensor
    lanes: int = LANES

    @property
    def width(self) -> int:
        """Number of units."""
        return self.recurrent.shape[1]

    @property
    def padded(self) -> int:
        """Number of units with the zero units behind them, whose states stay zero."""
        return -(-self.width // self.lanes) * self.lanes

    def laid_out(self, matrix: torch.Tensor, n_columns: int) -> torch.Tensor:
        """`matrix` [4 * width, n] padded to [4 * padded, n_columns], gates in the order i, f, o, g.

        In that order the three sigmoids of a step are one block.
        """
        gates = matrix.view(4, self.width, -1)
        out = gates.new_zeros(4, self.padded, n_columns)
        for place, gate in enumerate((0, 1, 3, 2)):
            out[place, : self.width, : gates.shape[2]] = gates[gate]
        return out.view(4 * self.padded, n_columns)


def read_layers(awd_lstm: nn.Module, device: torch.device | None = None, lanes: int = LANES) -> list[LayerWeights]:
    """The layers of a fastai AWD_LSTM on `device`; tensors that are there already are shared with the module.

    Raises `InputError` for a bidirectional model and for layers that are not one-layer LSTMs.
    """
    if getattr(awd_lstm, "n_dir", 1) != 1:
        raise InputError("The AWD_LSTM is bidirectional, which cannot be streamed: give one model per direction.")
    return [_read_layer(rnn, number, device, lanes) for number, rnn in enumerate(awd_lstm.rnns)]


def input_widths(awd_lstm: nn.Module, layers: Sequence[LayerWeights]) -> list[int]:
    """Columns of each layer's input weights in the engines' layouts: of the embedding, then of the padded layer below."""
    return [awd_lstm.encoder.weight.shape[1], *(layer.padded for layer in layers[:-1])]


def read_embedding(awd_lstm: nn.Module, device: torch.device | None = None) -> torch.Tensor:
    """The token embedding, float32 [vocabulary, emb_sz]: the module's own memory where it is float32 on `device`."""
    return awd_lstm.encoder.weight.detach().to(device, torch.float32)


def versions(awd_lstm: nn.Module) -> tuple:
    """What changes when a weight that engines read is replaced or, other than through `.data`, written to."""
    weights = [awd_lstm.encoder.weight, *(weight for rnn in awd_lstm.rnns for weight in _weights_of(rnn))]
    return tuple((p.data_ptr(), 0 if p.is_inference() else p._version) for p in weights)


def _read_layer(rnn: nn.Module, number: int, device: torch.device | None, lanes: int) -> LayerWeights:
    lstm = getattr(rnn, "module", rnn)
    if not isinstance(lstm, nn.LSTM) or lstm.num_layers != 1 or lstm.bidirectional or lstm.proj_size:
        raise InputError(f"Layer {number} is a {type(lstm).__name__}, not a one-directional LSTM: give an AWD_LSTM.")
    weights, none = _weights_of(rnn), lstm.weight_ih_l0.new_zeros(4 * lstm.hidden_size)
    return LayerWeights(*_float32(weights if lstm.bias else (*weights, none, none), device), lanes)


def _weights_of(rnn: nn.Module) -> tuple[torch.Tensor, ...]:
    """A layer's input and recurrent weights and, where it has them, its two biases; none where it is no LSTM."""
    lstm = getattr(rnn, "module", rnn)
    if not isinstance(lstm, nn.LSTM):
        return ()
    # WeightDropout keeps the weight itself under another name; `lstm.weight_hh_l0` may hold a dropped-out copy.
    recurrent = getattr(rnn, "weight_hh_l0_raw", None)
    recurrent = lstm.weight_hh_l0 if recurrent is None else recurrent
    biases = (lstm.bias_ih_l0, lstm.bias_hh_l0) if lstm.bias else ()
    return (lstm.weight_ih_l0, recurrent, *biases)


def _float32(tensors: Sequence[torch.Tensor], device: torch.device | None) -> list[torch.Tensor]:
    return [tensor.detach().to(device, torch.float32).contiguous() for tensor in tensors]
