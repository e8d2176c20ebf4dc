"""A language model's LSTM in ONNX Runtime and in OpenVINO: padded batches, each document with its length."""

import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from unpadded.common import extras_needed
from unpadded.encoding import twin_of
from unpadded.model import LanguageModel

OPSET = 17


class OnnxLSTM:
    """The last layer's states from ONNX Runtime's LSTM operator; `int8`: dynamically quantised.

    Raises `MissingExtraError` where onnx or onnxruntime is not installed.
    """

    def __init__(self, lm: LanguageModel, *, int8: bool = False):
        with extras_needed():
            import onnx
            import onnxruntime
        self._lm = lm
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "lstm.onnx"
            onnx.save(_graph(lm), path)
            if int8:
                from onnxruntime.quantization import quantize_dynamic

                logging.disable(logging.WARNING)  # advice to preprocess, which a graph of this kind does not need
                try:
                    quantize_dynamic(path, path := Path(folder) / "int8.onnx", op_types_to_quantize=["LSTM"])
                finally:
                    logging.disable(logging.NOTSET)
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def _states(self, ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """float32 [longest, n, width] of ids [longest, n]; those behind a document's length mean nothing."""
        return self._session.run(None, {"ids": ids, "lengths": lengths})[0]

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """float32 [n, width], the mean of the states of each text, in one batch: the padded steps are left out."""
        width = self._lm.awd_lstm.rnns[-1].module.hidden_size
        return self._pooled(self._lm.numericalize(list(texts)))[:, width : 2 * width]

    def vectors(self, documents: Sequence[np.ndarray], *, size: int) -> np.ndarray:
        """Last, mean and max of token ids side by side, float32 [n, 3 * width], in batches of `size` sorted by length."""
        order = np.argsort([-len(tokens) for tokens in documents], kind="stable")
        batches = [order[begin : begin + size] for begin in range(0, len(order), size)]
        pooled = np.concatenate([self._pooled([documents[i] for i in batch]) for batch in batches])
        return pooled[np.argsort(order)]

    def _pooled(self, documents: Sequence[np.ndarray]) -> np.ndarray:
        lengths = np.array([len(tokens) for tokens in documents], np.int32)
        ids = np.zeros((lengths.max(), len(documents)), np.int64)
        for column, tokens in enumerate(documents):
            ids[: len(tokens), column] = tokens
        states = self._states(ids, lengths)
        text = (np.arange(len(ids))[:, None] < lengths)[..., None]
        parts = (
            states[lengths - 1, np.arange(len(lengths))],
            np.where(text, states, 0).sum(0) / lengths[:, None],
            np.where(text, states, -np.inf).max(0),
        )
        return np.concatenate(parts, axis=1).astype(np.float32)


class OpenVinoLSTM(OnnxLSTM):
    """The same from OpenVINO; `precision`: "f32" or "bf16". Raises `MissingExtraError` where it is not installed."""

    def __init__(self, lm: LanguageModel, *, precision: str = "f32"):
        with extras_needed():
            import onnx
            import openvino
        self._lm = lm
        settings = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": torch.get_num_threads()}
        core = openvino.Core()
        model = core.read_model(onnx.ModelProto.SerializeToString(_graph(lm)))
        self._model = core.compile_model(model, "CPU", settings)

    def _states(self, ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        return self._model({"ids": ids, "lengths": lengths})[0]


def _graph(lm: LanguageModel):
    """Embedding and LSTM layers as an ONNX model: ids [longest, n] and lengths [n] to states [longest, n, width]."""
    from onnx import TensorProto, helper, numpy_helper

    awd_lstm = twin_of(lm.awd_lstm)
    arrays = {"table": awd_lstm.encoder.weight, "axis": torch.tensor([1])}
    nodes = [helper.make_node("Gather", ["table", "ids"], ["h0"])]
    for n, rnn in enumerate(awd_lstm.rnns):
        lstm = rnn.module
        arrays[f"W{n}"] = _gates(lstm.weight_ih_l0)[None]
        arrays[f"R{n}"] = _gates(rnn.weight_hh_l0_raw)[None]
        arrays[f"B{n}"] = torch.cat([_gates(lstm.bias_ih_l0), _gates(lstm.bias_hh_l0)])[None]
        names = [f"h{n}", f"W{n}", f"R{n}", f"B{n}", "lengths"]
        nodes.append(helper.make_node("LSTM", names, [f"y{n}"], hidden_size=lstm.hidden_size))
        nodes.append(helper.make_node("Squeeze", [f"y{n}", "axis"], [f"h{n + 1}"]))
    constants = [numpy_helper.from_array(value.detach().numpy(), name) for name, value in arrays.items()]
    graph = helper.make_graph(
        nodes,
        "lstm",
        [
            helper.make_tensor_value_info("ids", TensorProto.INT64, ["longest", "n"]),
            helper.make_tensor_value_info("lengths", TensorProto.INT32, ["n"]),
        ],
        [helper.make_tensor_value_info(f"h{len(awd_lstm.rnns)}", TensorProto.FLOAT, ["longest", "n", "width"])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)


def _gates(weights: torch.Tensor) -> torch.Tensor:
    """torch's rows of gates i, f, g, o in ONNX's order i, o, f, c."""
    i, f, g, o = weights.chunk(4)
    return torch.cat([i, o, f, g])
