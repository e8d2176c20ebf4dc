"""A folder of embeddings with the model that made them, for the tests of search."""

from collections.abc import Sequence
from pathlib import Path

import torch

from conftest import make_texts
from unpadded.corpus.corpus import Corpus
from unpadded.embeddings.embedding import embed_corpus
from unpadded.embeddings.store import Embeddings
from unpadded.encoding.encoder import DocumentEncoder
from unpadded.model.language_model import LanguageModel
from unpadded.tokens.tokenized import tokenize


def embedded(
    folder: Path,
    n: int,
    *,
    seed: int = 0,
    layer: int | str = -1,
    precision: str = "float32",
    texts: Sequence[str] | None = None,
) -> Embeddings:
    """`n` short documents embedded in `folder / "vectors"` by the model saved in `folder / "model"`.

    `texts`: other documents, whose words the model knows where they are of `make_texts`.
    """
    known, _ = make_texts(max(n, 90))
    texts = known[:n] if texts is None else list(texts)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        vocab = tokenize(known[:90]).build_vocab(min_count=1)
        lm = LanguageModel.new(vocab, {"emb_sz": 12, "n_hid": 20, "n_layers": 2})
    with torch.no_grad():
        for parameter in lm.awd_lstm.parameters():
            parameter.mul_(3)  # states that are not all near zero
    lm.save(folder / "model")
    corpus = Corpus("tiny", [f"d{i}" for i in range(n)], texts)
    return embed_corpus(corpus, DocumentEncoder(lm, "concat", layer=layer, precision=precision), folder / "vectors")
