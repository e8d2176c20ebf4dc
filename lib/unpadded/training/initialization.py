"""Initial weights of a model that is trained from scratch: embeddings from LSA, LSTM layers that average their inputs.

Both cost seconds and read no labels; together they are worth more than many epochs of training
(`benchmarks/recipe.py` measures both, in perplexity and in document vectors):

- The embeddings begin as latent semantic analysis (Deerwester et al., 1990) of the training documents. With tied weights both
  ends of the language model then know from the first step which tokens belong together.
- Every LSTM layer begins as a leaky average of what it reads: the cell's candidate is the input itself (an identity added to
  its input weights; Le et al., 2015, did the same to the recurrence of plain networks) and forget gates begin open (Gers et
  al., 2000; Jozefowicz et al., 2015). So the state holds the topic of the last tokens before anything is learned.
"""

import numpy as np
import torch
from fastai.text.models.awdlstm import AWD_LSTM
from scipy import sparse
from sklearn.utils.extmath import randomized_svd

from unpadded.tokens import TokenizedCorpus, count_matrix, document_frequencies

UNIFORM_STD = 0.1 / np.sqrt(3)  # of fastai's own initial embeddings, uniform in [-0.1, 0.1]
FORGET_BIAS = 1.0


def lsa_embeddings(tokens: TokenizedCorpus, width: int, *, seed: int = 0) -> np.ndarray:
    """LSA vectors of the vocabulary of `tokens`, float32 [n_vocab, rank], rank at most `width`, as large as random ones.

    Counts are sublinear (1 + log), weighted by inverse document frequency, documents of unit length; a token's vector is its
    right singular vector scaled by the square roots of the singular values, then to a common length, because lengths would
    otherwise follow the tokens' frequencies. Tokens of no document or of every one have the zero vector.
    """
    matrix = _weighted_counts(tokens)
    rank = min(width, *matrix.shape)
    _, singular, right = randomized_svd(matrix, rank, n_iter=3, random_state=seed)
    vectors = right.T * np.sqrt(singular)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 1e-6)
    return (unit * (UNIFORM_STD * np.sqrt(rank))).astype(np.float32)


def start_from_topics(table: torch.Tensor, tokens: TokenizedCorpus, *, seed: int = 0) -> None:
    """Put the LSA vectors into an embedding `table` [n_vocab, width] where there are any; the rest stays as it is.

    So pads, which no document holds, and marks that every document holds keep their random rows.
    """
    vectors = torch.from_numpy(lsa_embeddings(tokens, table.shape[1], seed=seed))
    known = vectors.any(dim=1).nonzero().squeeze(1)
    with torch.no_grad():
        table[known, : vectors.shape[1]] = vectors[known].to(table)


def pass_inputs_through(awd_lstm: AWD_LSTM, strength: float) -> None:
    """Add `strength` times the identity to each layer's candidate weights, and FORGET_BIAS to its forget gates' biases.

    `strength` is what an input is multiplied by before the candidate's tanh; 0 leaves fastai's weights as they are.
    """
    if not strength:
        return
    for rnn in awd_lstm.rnns:
        lstm, n = rnn.module, rnn.module.hidden_size
        forget, candidate = slice(n, 2 * n), slice(2 * n, 3 * n)  # torch stacks input, forget, candidate, output
        with torch.no_grad():
            lstm.weight_ih_l0[candidate].diagonal().add_(strength)
            lstm.bias_ih_l0[forget] += FORGET_BIAS


def _weighted_counts(tokens: TokenizedCorpus) -> sparse.csr_matrix:
    """TF-IDF of the tokens, float32 [n_documents, n_vocab], rows of unit length."""
    counts = count_matrix(tokens, len(tokens.types))
    rarity = np.log((1 + len(tokens)) / (1 + document_frequencies(counts)))
    counts.data = 1 + np.log(counts.data)
    weighted = counts @ sparse.diags(rarity.astype(np.float32))
    lengths = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
    return sparse.diags(1 / np.maximum(lengths, 1e-9).astype(np.float32)) @ weighted
