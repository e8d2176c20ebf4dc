"""The explorer without a browser: what is near, why, what padding does, and panels that follow each other."""

import os
import re
import subprocess
import sys
from pathlib import Path

import ipywidgets
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics.pairwise import cosine_similarity

from tiny_run import make_run
from unpadded.common.errors import InputError
from unpadded.common.names import CONCAT, STUDIED
from unpadded.encoding.certification import twin_of
from unpadded.encoding.encoder import DocumentEncoder
from unpadded.explore import lab, render
from unpadded.explore.data import Explorable, corpora_of, explorable_runs
from unpadded.explore.explorer import Explorer
from unpadded.explore.pairs import ALONE, compare_pair
from unpadded.explore.panels import neighbours as neighbours_panel
from unpadded.explore.panels.colours import LENGTH
from unpadded.explore.panels.maps import point_size
from unpadded.explore.search import Neighbours
from unpadded.explore.words import STEPS, contributions, hidden_states, shared_words, weightiest_words
from unpadded.model.language_model import LanguageModel


@pytest.fixture(scope="module")
def outputs(tmp_path_factory, tiny_corpus, tiny_model):
    folder = tmp_path_factory.mktemp("explore")
    make_run(folder / "tiny", tiny_corpus, tiny_model)
    (folder / "unfinished").mkdir()
    return folder


@pytest.fixture(scope="module")
def data(outputs) -> Explorable:
    return Explorable.open(outputs / "tiny")


@pytest.fixture
def explorer(outputs) -> Explorer:
    return Explorer(outputs=outputs)


def test_what_stands_side_by_side_is_wrapped_where_there_is_no_room(explorer):
    """On a phone buttons beside menus were cut off."""
    waiting, rows = [explorer.chooser, explorer.maps, explorer.neighbours, explorer.pairs, explorer.changes], []
    while waiting:
        widget = waiting.pop()
        rows += [widget] if isinstance(widget, ipywidgets.HBox) else []
        waiting += getattr(widget, "children", ())
    assert len(rows) >= 7
    assert all(row.layout.flex_flow == "row wrap" for row in rows)


def test_only_finished_runs_are_offered(outputs, tmp_path):
    assert [path.name for path in explorable_runs(outputs)] == ["tiny"]
    assert corpora_of(outputs / "tiny") == ["tiny"]
    with pytest.raises(InputError, match="no run to explore: make one with 'make lab'"):
        Explorer(outputs=tmp_path)
    with pytest.raises(InputError, match="no finished run"):
        Explorable.open(outputs / "unfinished")
    with pytest.raises(InputError, match="no longer knows where its corpus 'other' came from"):
        Explorable.open(outputs / "tiny", "other")


def test_cosines_are_those_of_the_whole_vectors(data):
    near = Neighbours(data)
    joined = data.vectors | {"concat": np.concatenate([data.vectors[name] for name in CONCAT], axis=1)}
    cosines = near.cosines(near.vectors_at(7))
    for pooling in STUDIED:
        expected = cosine_similarity(joined[pooling][7:8], joined[pooling])[0]
        np.testing.assert_allclose(cosines[pooling], expected, atol=1e-5)


def test_the_nearest_come_in_order_and_without_the_document_itself(data):
    near = Neighbours(data)
    found = near.nearest(near.vectors_at(3), k=4, without=[3])
    assert found.groupby("pooling", sort=False)["rank"].apply(list).tolist() == [[1, 2, 3, 4]] * 4
    assert 3 not in set(found["row"])
    for pooling, part in found.groupby("pooling"):
        rest = np.delete(near.cosines(near.vectors_at(3))[pooling], 3)
        np.testing.assert_array_equal(part["similarity"], np.sort(rest)[::-1][:4])


def test_a_text_is_read_as_the_documents_were(data):
    near = Neighbours(data)
    for pooling, vector in near.vectors_of(data.corpus.texts[5]).items():
        np.testing.assert_allclose(vector, data.vectors[pooling][5], atol=1e-6)


@pytest.mark.parametrize("row", [0, 11, 42])
def test_the_parts_of_the_tokens_add_up_to_the_cosine(data, row):
    """Nothing of a similarity is left unexplained, and last is explained by the last token alone."""
    near = Neighbours(data)
    asked = near.vectors_of("rocket launch to the moon")
    cosines = near.cosines(asked)
    parts = contributions(hidden_states(data.lm, [data.tokens[row]])[0], asked)
    for pooling in STUDIED:
        assert parts[pooling].sum() == pytest.approx(cosines[pooling][row], abs=1e-5)
    assert not parts["last"][:-1].any()
    assert np.count_nonzero(parts["mean"]) == len(data.tokens[row])


def test_documents_read_in_one_batch_have_the_states_of_each_read_alone(data):
    """Of lengths around the steps read at a time, an empty one among them; the model carries on where it was."""
    tokens = np.concatenate([data.tokens[row] for row in range(20)])
    documents = [tokens[:n] for n in (STEPS, 0, 3, 2 * STEPS + 1, STEPS + 1, 1, 2 * STEPS)]
    data.lm.module[0](torch.zeros(2, 3, dtype=torch.int64))
    carried = [part.clone() for part in data.lm.module[0].hidden[0]]
    found = hidden_states(data.lm, documents)
    assert [len(states) for states in found] == [len(ids) for ids in documents]
    for ids, states in zip(documents, found, strict=True):
        if len(ids):
            np.testing.assert_allclose(states, certification_states(data, ids), atol=1e-6)
    assert all(map(torch.equal, data.lm.module[0].hidden[0], carried))
    assert hidden_states(data.lm, []) == []


def certification_states(data, ids) -> np.ndarray:
    """fastai's states of one document, on a copy of the model."""
    twin = twin_of(data.lm.awd_lstm)
    twin.reset()
    with torch.no_grad():
        return twin(torch.from_numpy(np.asarray(ids, np.int64))[None])[0].numpy()


def test_words_are_words_and_the_rarest_come_first():
    vocab = ["xxunk", "xxbos", "the", "moon", "cheese", ".", "rocket"]
    first, second = np.array([1, 2, 3, 4, 5, 6]), np.array([6, 5, 4, 2, 1, 3])
    frequencies = np.array([0, 100, 90, 3, 2, 80, 1])
    assert shared_words(first, second, vocab, frequencies, n_documents=100) == ["rocket", "cheese", "moon"]
    assert shared_words(first, second[:1], vocab, frequencies, n_documents=100) == ["rocket"]
    terms = np.array([9.0, 0.1, 0.5, 0.4, -1.0])
    assert weightiest_words(["xxbos", "moon", "rocket", "rocket", "."], terms - 3) == []
    assert weightiest_words(["the", "moon", "rocket", "rocket", "."], np.array([0, 1.0, 2, 2, 0])) == ["rocket"]
    assert weightiest_words(["the", "moon", "rocket"], np.array([0, 1.0, 2]), common={"rocket"}) == []


def test_padding_changes_similarities_and_no_padding_changes_none(data):
    texts = ["the rocket launch", "salt and butter"]
    assert len({len(ids) for ids in data.lm.numericalize(texts)}) == 1
    table, pads = compare_pair(data.encoder, texts)
    assert pads == [0, 0]
    np.testing.assert_allclose(table.to_numpy(), table[[ALONE] * 4].to_numpy(), atol=1e-6)
    padded, pads = compare_pair(data.encoder, texts, extra=30)
    assert pads == [30, 30]
    np.testing.assert_array_equal(padded[ALONE], table[ALONE])
    assert (padded.drop(columns=ALONE).sub(padded[ALONE], axis=0).abs() > 2e-5).all(axis=None)
    with pytest.raises(InputError, match="Text 2 is empty"):
        compare_pair(data.encoder, ["words", " \n"])


def test_a_model_of_both_directions_is_padded_in_both(data):
    """What the pads make of it is what the engine makes of the pads as tokens, before each direction's own beginning."""
    vocab, sizes = data.lm.vocab, {"emb_sz": 12, "n_hid": 20, "n_layers": 1}
    forward, backward = (
        LanguageModel(LanguageModel.new(vocab, sizes).module, vocab, direction=name) for name in ("forward", "backward")
    )
    both = forward.with_backward(backward)
    texts, pads = ["the rocket launch", "salt and butter"], [both.awd_lstm.pad_token] * 30
    table, _ = compare_pair(DocumentEncoder(both), texts)
    np.testing.assert_allclose(table.to_numpy(), table[[ALONE] * 4].to_numpy(), atol=1e-6)
    padded, _ = compare_pair(DocumentEncoder(both), texts, extra=30)
    ids = [list(tokens) for tokens in both.numericalize(texts)]
    halves = [
        DocumentEncoder(forward).encode_tokens([pads + tokens for tokens in ids], pooling=list(CONCAT)),
        DocumentEncoder(backward).encode_tokens([tokens + pads for tokens in ids], pooling=list(CONCAT)),
    ]
    for pooling in STUDIED:
        parts = CONCAT if pooling == "concat" else (pooling,)
        whole = np.concatenate([half[part] for half in halves for part in parts], axis=1)
        assert padded.loc[pooling, "pads before"] == pytest.approx(cosine_similarity(whole)[0, 1], abs=1e-5)


def widgets_of(box) -> list:
    return [box, *(found for child in getattr(box, "children", ()) for found in widgets_of(child))]


def test_a_selection_in_one_map_is_the_selection_of_all(explorer):
    maps = explorer.panels["maps"]
    maps.scatters["mean"].widget.selection = np.array([4, 1, 9], np.uint32)
    for scatter in maps.scatters.values():
        assert scatter.widget.selection.tolist() == [4, 1, 9]
    assert maps.selected.tolist() == [8, 2, 18]  # the maps hold every second document
    assert "3 selected" in " ".join(w.value for w in widgets_of(explorer.maps) if isinstance(w, ipywidgets.HTML))
    assert [row for _, row in maps.list.options[1:]] == [8, 2, 18]
    maps.clear.click()
    assert not len(maps.selected)
    assert maps.list.layout.display == "none"


def test_pointing_is_linked_too(explorer):
    scatters = explorer.panels["maps"].scatters
    scatters["last"].widget.hovering = 5
    assert [scatter.widget.hovering for scatter in scatters.values()] == [5] * 4


def test_a_clicked_document_is_asked_about_and_results_are_shown_on_the_maps(explorer):
    maps, near = explorer.panels["maps"], explorer.panels["neighbours"]
    maps.scatters["max"].widget.selection = np.array([6], np.uint32)
    assert near.results.value.count("<li") == 4 * near.k.value
    assert 'data-row="12"' not in near.results.value
    near.on_maps.click()
    assert set(maps.selected) == {row for row in near._found if row % 2 == 0}


def test_a_query_is_answered_under_each_pooling_with_words(explorer):
    near = explorer.panels["neighbours"]
    near.query.value = "rocket launch moon orbit shuttle"
    assert all(f"<b>{pooling}</b>" in near.results.value for pooling in STUDIED)
    assert "lifted by <b>" in near.results.value
    near.k.value = 2
    assert near.results.value.count("<li") == 8
    before = near.results.value
    near.query.value = "   "
    assert near.results.value == before


def test_words_of_a_very_long_document_are_not_weighed(explorer, monkeypatch):
    near = explorer.panels["neighbours"]
    near.ask("rocket launch")
    monkeypatch.setattr(neighbours_panel, "MOST_EXPLAINED", 0)
    near.ask("rocket launch moon")
    assert near.results.value.count("<li") == 4 * near.k.value
    assert "lifted by" not in near.results.value
    assert "its words were not weighed" in near.results.value


def test_every_colouring_colours_every_map(explorer):
    maps = explorer.panels["maps"]
    legends, palettes = {}, {}
    for name in maps.colours.colour.options:
        maps.colours.colour.value = name
        legends[name] = maps.colours.legend.value
        (palettes[name],) = {str(scatter.widget.color) for scatter in maps.scatters.values()}
    assert list(legends) == ["topic", "stars", "day", "shop", LENGTH, *(f"cluster of {pooling}" for pooling in STUDIED)]
    assert all(topic in legends["topic"] for topic in ("food", "space", "sport"))
    assert palettes["topic"] != palettes[LENGTH]
    sizes = [int(size) for size in re.findall(r">(\d+)</span></span>", legends["cluster of concat"])]
    assert len(sizes) == 3
    assert sum(sizes) == len(maps.points)


def test_changed_documents_are_refused_where_the_run_was_chosen(outputs, tmp_path, tiny_corpus, tiny_model):
    run = make_run(tmp_path / "tiny", tiny_corpus, tiny_model)
    pd.read_csv(tmp_path / "tiny.csv").iloc[1:].to_csv(tmp_path / "tiny.csv", index=False)
    explorer = Explorer(run, outputs=outputs)
    assert "not those" in explorer._about.value
    explorer.run.value = outputs / "tiny"
    assert "90 documents" in explorer._about.value


def test_texts_cannot_break_the_page():
    found = render.Found("mean", 0, 0.5, "<b>", "<script>alert(1)</script>", ["<i>"], np.zeros(1), ["<u>"], ["<s>"])
    html = render.results([found])
    for tag in ("<script", "<i>", "<u>", "<s>"):
        assert tag not in html


def test_a_run_that_cannot_be_opened_leaves_no_panels_of_the_one_before(outputs, tmp_path, tiny_corpus, tiny_model):
    run = make_run(tmp_path / "other", tiny_corpus, tiny_model)
    explorer = Explorer(outputs / "tiny", outputs=tmp_path)
    panels = [explorer.maps, explorer.neighbours, explorer.pairs]
    assert all(box.children for box in panels)
    pd.read_csv(tmp_path / "tiny.csv").iloc[1:].to_csv(tmp_path / "tiny.csv", index=False)
    explorer.run.value = run
    assert "unpadded-problem" in explorer._about.value
    assert not any(box.children for box in panels)


class Started(Exception):
    """JupyterLab took this process over."""


@pytest.fixture
def commands(monkeypatch) -> list[list[str]]:
    """What `make lab` runs and at last becomes, though none of it runs; its small run fails."""
    found = []

    def become(program, arguments):
        assert program == arguments[0] == sys.executable
        found.append(arguments)
        raise Started

    monkeypatch.setattr(os, "execv", become)
    monkeypatch.setattr(
        subprocess, "run", lambda words, **_: found.append(words) or subprocess.CompletedProcess(words, 3)
    )
    return found


@pytest.mark.parametrize("user", [0, 1000])
def test_make_lab_serves_this_machine_alone_behind_its_token(outputs, commands, monkeypatch, user):
    monkeypatch.setattr(os, "geteuid", lambda: user)
    with pytest.raises(Started):
        lab.main(outputs, ["--no-browser"])
    kernel, server = commands
    assert kernel[1:4] == ["-m", "ipykernel", "install"]
    assert server[1:4] == ["-m", "jupyterlab", "--ip=127.0.0.1"]
    assert "--LabApp.default_url=/lab/tree/explore.ipynb" in server  # which is in the address that it prints
    assert Path(server[-1]).name == "explore.ipynb"
    assert "--no-browser" in server
    assert ("--allow-root" in server) == (user == 0)
    assert not [word for word in server if "token" in word.lower() or "password" in word.lower()]


def test_make_lab_makes_a_small_run_first_where_there_is_none(tmp_path, commands):
    assert lab.main(tmp_path) == 3  # what became of the run; without one, JupyterLab is not started
    _, small = commands
    assert small[1:] == ["-m", "unpadded.cli.main", "run", "--profile", "smoke", "--output", str(tmp_path / "smoke")]


def test_points_get_smaller_as_documents_get_more(explorer):
    sizes = [point_size(n) for n in (1, 5_000, 5_001, 20_001, 50_001, 10**6)]
    assert sizes == [5, 5, 3, 2, 1, 1]
    assert {scatter.size()["default"] for scatter in explorer.panels["maps"].scatters.values()} == {5}
