"""Parameters on the command line: of the notebook's own type, and never dropped in silence."""

from pathlib import Path

import pandas as pd
import pytest

from conftest import make_texts
from unpadded.cli.main import main
from unpadded.common.errors import InputError
from unpadded.runs.overrides import read_overrides
from unpadded.runs.run import NOTEBOOKS, CorpusChoice, Run


@pytest.fixture
def unlabelled(tmp_path) -> Path:
    pd.DataFrame({"text": make_texts(30)[0]}).to_csv(tmp_path / "plain.csv", index=False)
    return tmp_path / "plain.csv"


@pytest.mark.parametrize(
    ("assignment", "value"),
    [
        ("01_train_language_model.prompt=1984", "1984"),
        ("01_train_language_model.prompt=null", "null"),
        ("01_train_language_model.prompt=a=b", "a=b"),
        ("03_padding.pads=16", "16"),
        ("06_clustering.postprocesses=none,l2", "none,l2"),
        ("06_clustering.n_seeds=3", 3),
        ("01_train_language_model.dropout=1", 1.0),
        ("01_train_language_model.learning_rate=1e-3", 0.001),
    ],
)
def test_a_value_is_what_the_notebook_says_it_is(assignment, value):
    (parameters,) = read_overrides([assignment], NOTEBOOKS).values()
    (read,) = parameters.values()
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("01_train_language_model.epochs=two", "epochs takes a whole number, not 'two'"),
        ("01_train_language_model.epochs=2.5", "epochs takes a whole number, not '2.5'"),
        ("01_train_language_model.dropout=", "dropout takes a number, not ''"),
        ("01_train_language_model.epoch=2", "no parameter 'epoch': did you mean epochs"),
        ("03_padding.pad=2", "no parameter 'pad': did you mean pads"),
        ("01_train.epochs=2", "no notebook '01_train': did you mean 01_train_language_model"),
        ("6_clustring.n_seeds=2", "no notebook '6_clustring': did you mean 06_clustering"),
        ("epochs=3", "'epochs=3' is not STAGE.NAME=VALUE"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_nearest(assignment, message):
    with pytest.raises(InputError, match=message):
        read_overrides([assignment], NOTEBOOKS)


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("03_padding.pads=16", "03_padding is not executed with the profile quick: add --studies"),
        ("05_what_the_last_state_keeps.n_probed=5", "add --studies"),
        ("06_clustering.n_seeds=3", "06_clustering is left out, the corpus has no two topics"),
        ("01_train_language_model.run=elsewhere", "use --output"),
        ("02_extract_embeddings.corpus=bbc", "use --corpus"),
    ],
)
def test_an_override_that_reaches_nothing_is_refused_before_anything_runs(
    assignment, message, unlabelled, tmp_path, capsys
):
    output = tmp_path / "run"
    assert main(["run", "--corpus", str(unlabelled), "--output", str(output), "-p", assignment]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not output.exists()


def test_a_run_from_python_refuses_the_same(unlabelled, tmp_path):
    for overrides, message in (
        ({"03_paddings": {"pads": "1"}}, "did you mean 03_padding"),
        ({"03_padding": {"pad": "1"}}, "pads"),
    ):
        with pytest.raises(InputError, match=message):
            Run(tmp_path / "run", CorpusChoice(str(unlabelled)), overrides=overrides).execute()


def test_further_corpora_go_to_the_notebooks_that_run_and_take_them(unlabelled, tmp_path):
    run = Run(tmp_path / "run", CorpusChoice(str(unlabelled)), also="lee", overrides={"07_ranking": {"also": "bbc"}})
    parameters = {stage.name: run.parameters(stage).get("also") for stage in run.stages}
    assert parameters["01_train_language_model"] is None
    assert (parameters["02_extract_embeddings"], parameters["07_ranking"]) == ("lee", "bbc")


def test_another_type_from_python_or_a_sweep_is_refused_with_the_mend(unlabelled, tmp_path):
    for value, name, mend in ((1984, "prompt", "put it in quotes"), ("2", "epochs", "give a whole number")):
        run = Run(tmp_path / "run", CorpusChoice(str(unlabelled)), overrides={"01_train_language_model": {name: value}})
        with pytest.raises(InputError, match=f"{name} takes .*: {mend}"):
            run.execute()


def test_a_further_corpus_that_is_not_encoded_is_refused(tmp_path):
    for name in ("first", "second"):
        texts, labels = make_texts(30)
        pd.DataFrame({"text": texts, "label": labels}).to_csv(tmp_path / f"{name}.csv", index=False)
    overrides = {"06_clustering": {"also": str(tmp_path / "second.csv")}}
    run = Run(tmp_path / "run", CorpusChoice(str(tmp_path / "first.csv")), overrides=overrides)
    with pytest.raises(
        InputError, match=r"06_clustering\.also names second, which 02_extract_embeddings does not encode"
    ):
        run.execute()
    run.also = str(tmp_path / "second.csv")
    assert len(run.jobs(run.choice.load())) == len(run.stages)
