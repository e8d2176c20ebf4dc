"""What a document's vector keeps of the document: replace a part, look for a part, leave out the beginning, ask for the topic.

Each measurement takes an encoder of all layers of a model of one direction and a `Sample`, and returns one row a document,
layer, pooling and place, with its `value`. `probe_tables` repeats it over corpora and models and averages over documents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from sklearn.linear_model import RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, normalize

from unpadded.common import CONCAT, STUDIED
from unpadded.encoding import DocumentEncoder
from unpadded.studies.last_state import edits
from unpadded.studies.last_state.edits import N_PARTS, PLACES, excerpt, part_bounds, partners
from unpadded.studies.last_state.samples import Sample, length_groups
from unpadded.studies.speed.precision import rms_distance

FINAL_TOKENS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
PENALTIES = np.logspace(-1, 5, 7)  # of the ridge classifier, for standardised vectors; chosen by leave-one-out
Vectors = dict[tuple[int, str], np.ndarray]  # (layer, pooling) -> float32 [n, width]


def vectors_by_layer(encoder: DocumentEncoder, documents: Sequence[np.ndarray]) -> Vectors:
    """The vectors of each layer of `encoder.layers` under each pooling, from one pass."""
    parts = encoder.encode_tokens(documents, pooling=CONCAT)
    widths = [encoder.lm.awd_lstm.rnns[layer].module.hidden_size for layer in encoder.layers]
    cuts, found = np.cumsum(widths)[:-1], {}
    for number, layer in enumerate(encoder.layers):
        own = {name: np.split(array, cuts, axis=1)[number] for name, array in parts.items()}
        own["concat"] = np.hstack([own[name] for name in CONCAT])
        found |= {(layer + 1, pooling): own[pooling] for pooling in STUDIED}
    return found


def perturb(encoder: DocumentEncoder, sample: Sample) -> pd.DataFrame:
    """How far a document's vector moves when one of its parts is replaced by text of its partner.

    `value`: Euclidean distance to the vector of the whole document, in root mean square distances between documents.
    """
    documents = sample.documents(encoder.lm)
    donors = [documents[i] for i in sample.partner]
    changed = [
        edits.with_part_replaced(tokens, donor, begin, end)
        for tokens, donor in zip(documents, donors, strict=True)
        for begin, end in pairwise(part_bounds(len(tokens)))
    ]
    before, after = vectors_by_layer(encoder, documents), vectors_by_layer(encoder, changed)
    values = {
        key: np.linalg.norm(_grouped(after[key]) - whole[:, None], axis=2) / rms_distance(whole)
        for key, whole in before.items()
    }
    return _long(values, sample, "part", range(1, N_PARTS + 1))


def locate(encoder: DocumentEncoder, sample: Sample) -> pd.DataFrame:
    """How similar each part, read alone, is to its whole document.

    `value`: cosine of the two vectors, those of wholes and of parts each centred on their mean; `is_nearest`: 1.0 for the
    part of the document with the highest, else 0.0.
    """
    documents = sample.documents(encoder.lm)
    alone = [part for tokens in documents for part in edits.parts_alone(tokens)]
    wholes, parts = vectors_by_layer(encoder, documents), vectors_by_layer(encoder, alone)
    values = {
        key: np.einsum("ijk,ik->ij", _grouped(_directions(parts[key])), _directions(whole))
        for key, whole in wholes.items()
    }
    table = _long(values, sample, "part", range(1, N_PARTS + 1))
    best = table.groupby(["document", "layer", "pooling"], sort=False)["value"].transform("idxmax")
    return table.assign(is_nearest=(table.index == best).astype(float))


def fade(encoder: DocumentEncoder, sample: Sample) -> pd.DataFrame:
    """How similar the last state after a document's final tokens alone is to the last state after all of it.

    `value`: cosine, both centred on the mean last state of the sample; `cosine`: the same uncentred. One row for each of
    FINAL_TOKENS that the document has. `final_tokens` 0 stands for the partner's last state: what chance gives.
    """
    documents = sample.documents(encoder.lm)
    cases = [(i, n) for i, tokens in enumerate(documents) for n in FINAL_TOKENS if n <= len(tokens)]
    wholes = vectors_by_layer(encoder, documents)
    backward = encoder.lm.direction == "backward"  # it reads the first tokens last
    ends = vectors_by_layer(encoder, [documents[i][:n] if backward else documents[i][-n:] for i, n in cases])
    rows = np.array([i for i, _ in cases] + list(range(len(documents))))
    groups, tables = length_groups(sample.lengths), []
    for layer in {layer: None for layer, _ in wholes}:
        whole = wholes[layer, "last"].astype(np.float64)
        given = np.concatenate([ends[layer, "last"], whole[sample.partner]])
        table = pd.DataFrame({"document": rows, "length": sample.lengths[rows], "layer": layer, "pooling": "last"})
        table["length_group"] = groups[rows]
        table["final_tokens"] = [n for _, n in cases] + [0] * len(documents)
        table["value"] = _cosines(given - whole.mean(axis=0), whole[rows] - whole.mean(axis=0))
        tables.append(table.assign(cosine=_cosines(given, whole[rows])))
    return pd.concat(tables, ignore_index=True)


def remembered(faded: pd.DataFrame, *, threshold: float = 0.9) -> pd.DataFrame:
    """The final tokens from which on the similarity stays at `threshold` or above, from the rows of `fade` (or of
    `probe_tables.everywhere`).

    One row a document and layer: `value` is that number of tokens, the document's own length where no smaller one will do.
    """
    keys = [name for name in ("corpus", "model", "document", "layer", "length", "length_group") if name in faded]
    own = faded[faded.final_tokens > 0]
    last_below = own[own.value < threshold].groupby(keys).final_tokens.max()
    rows = []
    for key, group in own.groupby(keys, sort=False):
        enough = group.final_tokens[group.final_tokens > last_below.get(key, 0)]
        rows.append((*key, float(enough.min() if len(enough) else group.length.iloc[0])))
    return pd.DataFrame(rows, columns=[*keys, "value"])


def topic_probe(encoder: DocumentEncoder, sample: Sample, *, train: Sample, n_tokens: int) -> pd.DataFrame:
    """Whether a linear classifier names the topic of the part of a document that alone is on topic.

    Documents of three parts of `n_tokens`, one of them (`place`) from a document of `sample` and the others from its
    partner; at `place` "whole" all three are on topic. A ridge classifier is fitted on vectors of such documents made of
    `train` (`trained_on` "spliced") or on whole ones ("whole"); `value` is 1.0 where it names the topic. No rows where there
    are not two topics to tell apart.
    """
    known = np.isin(sample.topics or (), train.topics or ())
    if not known.any() or len(set(train.topics)) < 2:
        return pd.DataFrame()
    # What fills the training documents is drawn without regard to topic: else it would tell what the topic is not.
    fitted_on = _spliced_everywhere(encoder, train, partners(None, len(train)), n_tokens)
    asked = _spliced_everywhere(encoder, sample, sample.partner, n_tokens)
    truth, tables = np.asarray(sample.topics), []
    for place, vectors in asked.items():
        for key, found in vectors.items():
            for trained_on in ("whole", "spliced") if place != "whole" else ("whole",):
                source = fitted_on["whole" if trained_on == "whole" else place][key]
                classifier = make_pipeline(StandardScaler(), RidgeClassifierCV(PENALTIES)).fit(source, train.topics)
                correct = (classifier.predict(found[known]) == truth[known]).astype(float)
                table = pd.DataFrame({"document": np.flatnonzero(known), "value": correct})
                tables.append(table.assign(layer=key[0], pooling=key[1], place=place, trained_on=trained_on))
    return pd.concat(tables, ignore_index=True).assign(part_tokens=n_tokens)


def _spliced_everywhere(
    encoder: DocumentEncoder, sample: Sample, partner: np.ndarray, n_tokens: int
) -> dict[str, Vectors]:
    """The vectors of a sample's documents cut to three parts, whole and with one part alone on topic."""
    documents = sample.documents(encoder.lm)
    made = {"whole": [np.concatenate([tokens[:1], excerpt(tokens, 3 * n_tokens)]) for tokens in documents]}
    for place in PLACES:
        pairs = zip(documents, partner, strict=True)
        made[place] = [edits.spliced(own, documents[other], place, n_tokens=n_tokens) for own, other in pairs]
    return {place: vectors_by_layer(encoder, tokens) for place, tokens in made.items()}


def _grouped(vectors: np.ndarray) -> np.ndarray:
    """[n * N_PARTS, width] as [n, N_PARTS, width]."""
    return vectors.reshape(-1, N_PARTS, vectors.shape[1])


def _directions(vectors: np.ndarray) -> np.ndarray:
    """Unit vectors after centring on the mean, float64 [n, width]."""
    vectors = vectors.astype(np.float64)
    return normalize(vectors - vectors.mean(axis=0))


def _cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", normalize(first), normalize(second))


def _long(values: Mapping[tuple[int, str], np.ndarray], sample: Sample, name: str, places: Sequence) -> pd.DataFrame:
    """One row for each number of `values` [n_documents, n_places], the places in column `name`."""
    n, lengths = len(sample), sample.lengths
    frame = pd.DataFrame({"document": np.repeat(np.arange(n), len(places)), name: np.tile(list(places), n)})
    frame["length"] = lengths[frame.document]
    frame["length_group"] = length_groups(lengths)[frame.document]
    tables = [frame.assign(layer=layer, pooling=pooling, value=v.ravel()) for (layer, pooling), v in values.items()]
    return pd.concat(tables, ignore_index=True)
