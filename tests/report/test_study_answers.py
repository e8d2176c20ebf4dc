"""What a run says of its studies is what their tables hold."""

import pandas as pd
import pytest

from unpadded.common.files import write_json, write_table
from unpadded.report.answers import answer
from unpadded.report.study_answers import kept, listed, looked_like, padded, span, sped


def leave(folder, name: str, rows: list[dict]) -> None:
    write_table(folder / name, pd.DataFrame(rows))


@pytest.fixture
def looked(tmp_path):
    found = {"last": (0.31, 0.2), "mean": (0.154, -0.1), "max": (0.92, 0.871), "concat": (0.95, 0.9)}
    leave(
        tmp_path,
        "geometry/geometry.csv",
        [{"method": m, "mean_cosine": c, "component_1_length_correlation": r} for m, (c, r) in found.items()],
    )
    rows = [{"method": "unpadded", "n_documents": 40}] * 7 + [{"method": "fastai", "n_documents": 40}]
    write_json(tmp_path / "geometry" / "exactness.json", {"bit_identical": True, "max_abs_diff": 3e-5, "rows": rows})
    return tmp_path


def test_02_says_which_way_the_vectors_point_what_they_follow_and_whether_a_batch_changed_any(looked):
    assert looked_like(looked) == (
        "Two random documents have a cosine of 0.15 under mean, 0.92 under max and 0.31 under last: near 1, all vectors point "
        "the same way. The first component follows the document's length most under max (correlation 0.87). "
        "In 7 batch shapes and orders of 40 documents, not a bit of a vector changed."
    )
    rows = [{"method": "unpadded", "n_documents": 40}]
    write_json(looked / "geometry" / "exactness.json", {"bit_identical": False, "max_abs_diff": 3e-5, "rows": rows})
    assert answer(looked, "02_extract_embeddings").endswith("of 40 documents, vectors changed by up to 3.0e-05.")


def effect(placement: str, reading: str, distance: float, lost: float, changed: float, **others) -> dict:
    row = {"method": "padded batch", "pads": "batch", "pooling": "mean", "placement": placement, "reading": reading}
    return row | {"cosine_distance": distance, "neighbours_lost": lost, "changed": changed} | others


EFFECTS = [
    effect("before", "naive", 0.9, 0.8, 1.0),
    effect("behind", "naive", 0.764, 0.7, 1.0),
    effect("behind", "naive", 0.001, 0.7, 1.0, pads="1"),
    effect("behind", "naive", 1.3, 0.7, 1.0, pooling="last"),
    effect("before", "length-aware", 0.2, 0.08, 1.0),
    effect("before", "length-aware", 0.5, 0.594, 1.0),
    effect("behind", "length-aware", 0.0, 0.0, 0.0),
    effect("none", "in a batch", 0.0, 0.0, 0.0, method="Unpadded"),
]


def test_03_says_how_far_an_ordinary_batch_moves_the_mean(tmp_path):
    leave(tmp_path, "padding/effects.csv", EFFECTS)
    assert padded(tmp_path) == (
        "An ordinary padded batch, read naively, moves mean by a cosine distance of 0.76 to 0.90. Read by its length, padding "
        "behind the text changes not a bit; padding before it moves mean by 0.20 to 0.50 and takes away 8 to 59 % of the ten "
        "nearest neighbours. Unpadded's batches change nothing."
    )
    moved = [row | {"changed": 1.0} for row in EFFECTS]  # an answer must not praise what the tables do not show
    leave(tmp_path, "padding/effects.csv", moved)
    assert "padding behind the text moves it by 0.00;" in padded(tmp_path)
    assert padded(tmp_path).endswith("Unpadded's batches change it by 0.00.")


def test_04_sets_each_way_at_its_best_batch_size_beside_the_loop(tmp_path):
    rates = {("loop", 1): 1, ("naive padded", 16): 1.94, ("naive padded", 64): 1.2, ("sorted padded", 64): 2.9}
    rates |= {("unpadded", 16): 2.5, ("unpadded", 64): 4.36}
    row = {"model": "64/64/1", "corpus": "own", "compared": 30}
    rows = [
        row
        | {"method": method, "batch_size": size, "times_the_loop": rate, "tokens_per_second": 100 * rate}
        | {"wrong_documents": 23 if method == "naive padded" else 0}
        for (method, size), rate in rates.items()
    ]
    leave(tmp_path, "speed/speed.csv", [*rows, rows[-1] | {"corpus": "other", "tokens_per_second": 1e9}])
    assert sped(tmp_path) == (
        "Here Unpadded encodes 4.4 times as fast as one document at a time, 64 at once. Length-sorted padded batches reach "
        "2.9 times, at most, and naive ones 1.9, with 23 of 30 vectors wrong."
    )


def test_05_says_how_far_the_last_state_remembers(tmp_path):
    remembered = [("a", 1, 0.9, 9.0), ("a", 2, 0.9, 11.4), ("b", 1, 0.9, 35.7), ("b", 1, 0.5, 2.0)]
    leave(
        tmp_path,
        "last_state/remembered.csv",
        [dict(zip(("model", "layer", "cosine", "value"), row, strict=True)) for row in remembered],
    )
    moved = [("a", "last", 1, 0.0), ("b", "last", 1, 0.1), ("a", "mean", 1, 0.22), ("a", "last", 10, 0.94)]
    moved += [("b", "last", 10, 1.51), ("a", "mean", 10, 0.1), ("a", "last", 5, 0.5)]
    leave(
        tmp_path,
        "last_state/perturb.csv",
        [dict(zip(("model", "pooling", "part", "value"), row, strict=True)) for row in moved],
    )
    assert kept(tmp_path) == (
        "The final 11 to 36 tokens alone bring the last state to a cosine of 0.9 with that of the whole document. With "
        "another text in its first tenth, last moves by 0.00 to 0.10 of the distance between two documents, and mean by 0.22; "
        "in its final tenth, by 0.94 to 1.51 and 0.10."
    )


@pytest.mark.parametrize(
    "stem", ["02_extract_embeddings", "03_padding", "04_speed_and_memory", "05_what_the_last_state_keeps"]
)
@pytest.mark.parametrize("content", [None, "", "model,method\n"])
def test_a_study_without_whole_tables_has_no_answer(tmp_path, stem, content):
    """One that was stopped, or where no document was long enough to be measured."""
    for name in ("geometry/geometry", "padding/effects", "speed/speed", "last_state/remembered", "last_state/perturb"):
        path = tmp_path / f"{name}.csv"
        path.parent.mkdir(exist_ok=True)
        if content is not None:
            path.write_text(content)
    assert answer(tmp_path, stem) == ""


def test_a_study_that_could_measure_nothing_has_no_answer(tmp_path):
    leave(tmp_path, "padding/effects.csv", [effect("before", "naive", 0.9, 0.8, 1.0, pads="1")])
    assert answer(tmp_path, "03_padding") == ""


def test_spans_and_lists_read_as_sentences():
    assert span(pd.Series([0.101, 0.104])) == "0.10"
    assert span(pd.Series([1.0, 30.2]), ".0f") == "1 to 30"
    assert (listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])) == ("a", "a and b", "a, b and c")
