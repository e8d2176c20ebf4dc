"""The pad token's row of the embedding: how long it is, and which gradients reach it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import cross_entropy, embedding, linear

from unpadded.encoding import twin_of

GRADIENT_TOKENS = 512  # of a document, at most, that the gradient is taken over
N_PADS = 16  # before each document


def row_norms(lm) -> np.ndarray:
    """Euclidean norm of every row of the embedding, float64 [vocabulary]."""
    return np.linalg.norm(lm.awd_lstm.encoder.weight.detach().cpu().double().numpy(), axis=1)


def pad_row(lm, documents: Sequence[np.ndarray]) -> pd.DataFrame:
    """Norm and gradients of the pad row beside those of the other rows; one row each for pad and the others' quantiles.

    Columns: row, norm, input_gradient, output_gradient. The gradients are those of the next-token cross-entropy of
    `documents` with N_PADS pads before each: as fastai looks a token up (its embedding has `padding_idx`, so the pad row
    gets exactly none), and as a class of the output layer, whose weights are the same rows where they are tied. "Others" are
    the rows of the tokens that occur in the documents.
    """
    by_input, by_output = _gradients(lm, documents)
    pad = lm.awd_lstm.pad_token
    seen = np.setdiff1d(np.unique(np.concatenate(list(documents))), [pad])
    table = np.column_stack([row_norms(lm), by_input, by_output])
    rows = [table[pad], *np.quantile(table[seen], [0.05, 0.5, 0.95], axis=0)]
    names = [lm.vocab[pad], "others, 5 %", "others, median", "others, 95 %"]
    columns = ["norm", "input_gradient", "output_gradient"]
    return pd.DataFrame(rows, columns=columns, index=pd.Index(names, name="row")).reset_index()


def _gradients(lm, documents: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Norm of each row's gradient as an input and as an output class, float64 [vocabulary] each."""
    encoder, decoder, pad = twin_of(lm.awd_lstm).cpu(), lm.module[1].decoder, lm.awd_lstm.pad_token
    as_input = encoder.encoder.weight.detach().clone().requires_grad_()
    as_output = decoder.weight.detach().cpu().clone().requires_grad_()
    bias = None if decoder.bias is None else decoder.bias.detach().cpu()
    n_targets = 0
    for tokens in lm.as_read(documents):
        ids = np.concatenate([np.full(N_PADS, pad), tokens[:GRADIENT_TOKENS]]).astype(np.int64)
        ids = torch.from_numpy(ids)[None]
        encoder.bs = 1
        encoder.reset()
        states = encoder(embedding(ids[:, :-1], as_input, padding_idx=pad), from_embeds=True)[0]
        # The pads are inputs; what is predicted is text, as in a minibatch whose loss leaves the padding out.
        logits = linear(states[N_PADS - 1 :], as_output, bias)
        loss = cross_entropy(logits, ids[0, -len(logits) :], reduction="sum")
        loss.backward()
        n_targets += len(logits)
    return tuple(w.grad.double().norm(dim=1).numpy() / max(n_targets, 1) for w in (as_input, as_output))
