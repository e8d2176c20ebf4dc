"""The padding experiments over several models and corpora, and over models that were trained with pads in their text."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from unpadded.corpus import Corpus
from unpadded.evaluation import tokenized
from unpadded.model import LanguageModel
from unpadded.studies.padding.downstream import METRICS, has_topics, padding_costs, score
from unpadded.studies.padding.effects import (
    UNPADDED,
    choose_documents,
    padding_effects,
    read_all,
    read_unpadded,
    vector_changes,
)
from unpadded.studies.padding.padded_reader import PaddedReader
from unpadded.tokens import TokenizedCorpus
from unpadded.training import TrainingSettings, train


def study_padding(
    models: Mapping[str, LanguageModel],
    corpora: Sequence[Corpus],
    *,
    pads: Sequence[int],
    n_documents: int,
    scored: Sequence[str] = ("batch",),
    longest: int = 1_000,
    seed: int = 0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`padding_effects` and `padding_costs` of each model on a sample of each corpus; columns corpus, model, n and theirs.

    `pads`: the numbers of pads tried; `scored`: those that are scored downstream ("batch": what a minibatch would need);
    `n_documents` of at most `longest` tokens are read of each corpus.
    """
    effects, costs = [], []
    for corpus in corpora:
        tokens = {name: tokenized(corpus, lm.tokenizer).with_vocab(lm.vocab) for name, lm in models.items()}
        for name, lm in models.items():
            sample, documents = choose_documents(corpus, tokens[name], n=n_documents, longest=longest, seed=seed)
            found = [*read_all(lm, documents, pads=pads, seed=seed), *read_unpadded(lm, documents)]
            about = {"corpus": corpus.name, "model": name, "n": len(documents)}
            effects.append(_about(padding_effects(lm, found), about))
            costs.append(_about(padding_costs(sample, found, pads=scored, seed=seed), about))
    measured = [table for table in costs if len(table)] or costs[:1]
    return pd.concat(effects, ignore_index=True), pd.concat(measured, ignore_index=True)


def zeroed_row_effects(lm, documents: Sequence[np.ndarray], *, pads: Sequence[int]) -> pd.DataFrame:
    """Leading pads with the pad row as it is and with a row of zeros, in the length-aware reading.

    Columns: pad_row ("as it is", "zeroed"), pads, pooling and the changes of `vector_changes`, a row for each; and Unpadded's,
    which has no pads: the documents encoded together against each alone.
    """
    rows = []
    for name, zero in (("as it is", False), ("zeroed", True)):
        reader = PaddedReader(lm, zero_pad_row=zero)
        reference = reader.read(documents)["length-aware"]
        for n in pads:
            found = reader.read(documents, "before", n)["length-aware"]
            rows += _changes({"pad_row": name, "pads": n}, reference, found)
    alone, together = read_unpadded(lm, documents)
    return pd.DataFrame(rows + _changes({"pad_row": UNPADDED, "pads": 0}, alone.vectors, together.vectors))


def _changes(about: dict, reference: Mapping[str, np.ndarray], found: Mapping[str, np.ndarray]) -> list[dict]:
    """A row for each pooling, which `about` and the changes from `reference` make."""
    return [about | {"pooling": name} | vector_changes(reference[name], vectors) for name, vectors in found.items()]


def trained_with_pads(
    text: TokenizedCorpus, settings: TrainingSettings, injections: Sequence[tuple[float, str]], **options
) -> dict[str, LanguageModel]:
    """Models trained alike on `text` but for (share of pads, their placement); name ("5 % before") -> model.

    `options` go to `train`. Raises `InputError` as it does.
    """
    return {
        f"{100 * share:g} % {placement}": train(
            text, replace(settings, pad_injection=share, pad_placement=placement), progress=False, **options
        )
        for share, placement in injections
    }


def text_budget(tokens: TokenizedCorpus, n_tokens: int, *, seed: int = 0) -> TokenizedCorpus:
    """Documents drawn by `seed` until they have `n_tokens` tokens (all of them where there are fewer), in corpus order."""
    order = np.random.default_rng(seed).permutation(len(tokens))
    n = int(np.searchsorted(np.cumsum(tokens.lengths[order]), n_tokens)) + 1
    return tokens.select(np.sort(order[: max(n, 2)]))


def injection_effects(
    models: Mapping[str, LanguageModel],
    corpus: Corpus,
    tokens: TokenizedCorpus,
    *,
    n_pads: int,
    n_documents: int,
    longest: int = 1_000,
    seed: int = 0,
) -> pd.DataFrame:
    """Models trained with other shares of pads: validation perplexity, cosine distances, downstream scores.

    Rows: a model, placement, number of pads (`n_pads` or "batch"), reading and pooling. Columns: model, share and injected
    (from the model's card), perplexity, the columns of `padding_effects`, and v_measure and nDCG@10 of the vectors without
    padding (nan without topics).
    """
    tables = []
    for name, lm in models.items():
        sample, documents = choose_documents(
            corpus, tokens.with_vocab(lm.vocab), n=n_documents, longest=longest, seed=seed
        )
        found = [*read_all(lm, documents, pads=[n_pads], seed=seed), *read_unpadded(lm, documents)]
        table = padding_effects(lm, found)
        scored = found[0].vectors if has_topics(sample) else {}
        scores = {pooling: score(sample, vectors, seed=seed)[0] for pooling, vectors in scored.items()}
        for metric in METRICS:
            table[metric] = [scores.get(pooling, {}).get(metric, np.nan) for pooling in table["pooling"]]
        settings = lm.card["settings"]
        about = {"model": name, "share": settings["pad_injection"], "injected": settings["pad_placement"]}
        tables.append(_about(table, about | {"perplexity": lm.card["valid_perplexity"]}))
    return pd.concat(tables, ignore_index=True)


def _about(table: pd.DataFrame, facts: Mapping[str, object]) -> pd.DataFrame:
    """The table with the same facts in front of every row."""
    return table.assign(**facts)[[*facts, *table.columns]]
