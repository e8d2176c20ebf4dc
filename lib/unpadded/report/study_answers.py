"""What a run's studies found (notebooks 02 to 05), in two or three sentences each, made from the tables that they left."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from unpadded.common import read_json
from unpadded.studies import last_layer

ENOUGH = 0.9  # cosine with the whole document's last state from which on a state counts as remembering it


def looked_like(folder: Path) -> str:
    """02: which way the vectors of each pooling point, what they follow, and whether a batch changed any."""
    table = pd.read_csv(folder / "geometry" / "geometry.csv").set_index("method")
    poolings = [name for name in ("mean", "max", "last") if name in table.index]
    cosines = [f"{table.mean_cosine[name]:.2f} under {name}" for name in poolings]
    by_length = table.component_1_length_correlation[poolings]
    first = by_length.idxmax()
    exact = read_json(folder / "geometry" / "exactness.json")
    tried = [row for row in exact["rows"] if row["method"] == "unpadded"]
    same = (
        "not a bit of a vector changed"
        if exact["bit_identical"]
        else f"vectors changed by up to {exact['max_abs_diff']:.1e}"
    )
    return (
        f"Two random documents have a cosine of {listed(cosines)}: near 1, all vectors point the same way. "
        f"The first component follows the document's length most under {first} (correlation {by_length[first]:.2f}). "
        f"In {len(tried)} batch shapes and orders of {tried[0]['n_documents']} documents, {same}."
    )


def padded(folder: Path) -> str:
    """03: how far an ordinary padded batch moves the mean, as it is usually read and as it should be."""
    effects = pd.read_csv(folder / "padding" / "effects.csv")
    batch = effects[(effects.pads.astype(str) == "batch") & (effects.pooling == "mean")]
    naive = batch[batch.reading == "naive"].cosine_distance
    aware = batch[batch.reading == "length-aware"]
    behind, before = aware[aware.placement == "behind"], aware[aware.placement == "before"]
    own = batch[batch.method == "Unpadded"]
    untouched = "changes not a bit" if not behind.changed.any() else f"moves it by {span(behind.cosine_distance)}"
    return (
        f"An ordinary padded batch, read naively, moves mean by a cosine distance of {span(naive)}. Read by its length, "
        f"padding behind the text {untouched}; padding before it moves mean by {span(before.cosine_distance)} and takes away "
        f"{span(100 * before.neighbours_lost, '.0f')} % of the ten nearest neighbours. "
        f"Unpadded's batches change {'nothing' if not own.changed.any() else f'it by {span(own.cosine_distance)}'}."
    )


def sped(folder: Path) -> str:
    """04: each way at its best batch size beside the loop, for the run's own model and corpus."""
    speed = pd.read_csv(folder / "speed" / "speed.csv")
    speed = speed[(speed.corpus == speed.corpus.iloc[0]) & (speed.model == speed.model.iloc[0])]
    best = speed.loc[speed.groupby("method", sort=False).tokens_per_second.idxmax()].set_index("method")
    ours, naive, ordered = (best.loc[method] for method in ("unpadded", "naive padded", "sorted padded"))
    return (
        f"Here Unpadded encodes {ours.times_the_loop:.1f} times as fast as one document at a time, {ours.batch_size} at once. "
        f"Length-sorted padded batches reach {ordered.times_the_loop:.1f} times, at most, and naive ones "
        f"{naive.times_the_loop:.1f}, with {naive.wrong_documents} of {naive.compared} vectors wrong."
    )


def kept(folder: Path) -> str:
    """05: how many final tokens the last state is made of, and what its beginning still does to it."""
    enough = pd.read_csv(folder / "last_state" / "remembered.csv")
    enough = last_layer(enough[enough.cosine == ENOUGH])
    moved = pd.read_csv(folder / "last_state" / "perturb.csv")
    first, final = (moved[moved.part == part].set_index("pooling") for part in (1, moved.part.max()))
    return (
        f"The final {span(enough.value, '.0f')} tokens alone bring the last state to a cosine of {ENOUGH} with that of the "
        f"whole document. With another text in its first tenth, last moves by {span(first.value[['last']])} of the distance "
        f"between two documents, and mean by {span(first.value[['mean']])}; in its final tenth, by "
        f"{span(final.value[['last']])} and {span(final.value[['mean']])}."
    )


def span(values: pd.Series, form: str = ".2f") -> str:
    """The smallest and the largest of some numbers, as a sentence has them; one where they read alike.

    Raises `ValueError` where there are none: nothing was measured, so there is nothing to say.
    """
    if values.dropna().empty:
        raise ValueError("no numbers")
    low, high = f"{values.min():{form}}", f"{values.max():{form}}"
    return low if low == high else f"{low} to {high}"


def listed(parts: Sequence[str]) -> str:
    """Parts as an enumeration."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
