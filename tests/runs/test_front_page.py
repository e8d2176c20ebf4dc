"""What the front page of a finished run says stands in the run's own tables, and its commands can be typed as they stand."""

import html
import re
import shlex
from pathlib import Path

import pandas as pd
import pytest

from smoke_run import copied
from unpadded.cli.main import main
from unpadded.common.files import read_json
from unpadded.evaluation.scores import read_scores
from unpadded.report.answers import ANSWERS, answer
from unpadded.report.plots.scores import method_names
from unpadded.report.run_page import write_index

pytestmark = pytest.mark.slow

NUMBER = r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?(?!\w)"


@pytest.fixture(scope="module")
def run(shared_run, tmp_path_factory) -> Path:
    return copied(shared_run, tmp_path_factory.mktemp("front") / "a run")


@pytest.fixture(scope="module")
def page(run) -> str:
    return write_index(run).read_text()


def said(page: str) -> str:
    """What a reader sees of the run itself: without the reference run's prose, commands and what is not shown."""
    own = re.sub(r"<(details|style|script|pre|table)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", " ", own.partition("<body>")[2]))


def written(numbers: list[float], *ways: str) -> set[str]:
    """Each number as a sentence may round it."""
    return {f"{value:{way}}" for value in numbers for way in ways}


def known_numbers(run: Path) -> set[str]:
    """Every number that a sentence about this run may hold, as it may be rounded."""
    summary, scores, choice = (
        read_json(run / "run.json"),
        read_scores(run / "scores.csv"),
        pd.read_csv(run / "choice.csv"),
    )
    known = written([*scores.value, *scores.ci_low, *scores.ci_high], ".3f")
    known |= written([*choice.score, *choice.ci_low, *choice.ci_high], ".2f")
    cards = [read_json(run / model / "config.json")["card"] for model in ("language_model", "tuned_model")]
    facts = [value for card in cards for value in (card | card.get("tuning", {})).values()]
    facts = [float(value) for value in facts if isinstance(value, int | float) and not isinstance(value, bool)]
    minutes = [cards[0]["minutes"], cards[1]["tuning"]["minutes"]]
    known |= written([*facts, *(60 * spent for spent in minutes)], ",.0f") | written(minutes, ".1f")
    known |= written([100 * share for share in facts if 0 <= share <= 1], ".0f")
    known |= written([sum(stage["seconds"] for stage in summary["stages"].values()) / 60], ".1f")
    counts = [value for value in summary["facts"].values() if isinstance(value, int | float)]
    known |= written([summary["documents"], *counts, *summary["facts"]["splits"].values()], ",.0f")
    known |= {"95"}  # of intervals
    known |= study_numbers(run)
    texts = [*summary.get("notes", []), *summary.get("left_out", {}).values()]
    return known | {number for text in texts for number in re.findall(NUMBER, str(text))}


def study_numbers(run: Path) -> set[str]:
    """What the answers of notebooks 02 to 05 may quote of their tables."""
    looked, effects, speed, enough, moved = (
        pd.read_csv(run / name)
        for name in (
            "geometry/geometry.csv",
            "padding/effects.csv",
            "speed/speed.csv",
            "last_state/remembered.csv",
            "last_state/perturb.csv",
        )
    )
    tried = read_json(run / "geometry" / "exactness.json")["rows"]
    batch = effects[(effects.pads == "batch") & (effects.pooling == "mean")]
    ends = moved[moved.part.isin([1, 10]) & moved.pooling.isin(["last", "mean"])]
    known = written(
        [*looked.mean_cosine, *looked.component_1_length_correlation, *batch.cosine_distance, *ends.value], ".2f"
    )
    known |= written([*(100 * batch.neighbours_lost), *enough[enough.cosine == 0.9].value], ".0f") | {"0.9"}
    known |= written([*speed.times_the_loop], ".1f")
    known |= written([*speed.batch_size, *speed.wrong_documents, *speed.compared, tried[0]["n_documents"]], ".0f")
    return known | {str(sum(row["method"] == "unpadded" for row in tried)), "1"}  # "near 1" is no measurement


def test_every_number_on_the_front_page_stands_in_the_runs_tables(run, page):
    words = re.sub(r"[\w+]+@10|\bunpadded [\d.]+|\b\d\d_\w+", " ", said(page))  # nDCG@10, the version, notebooks
    found, known = re.findall(NUMBER, words), known_numbers(run)
    assert len(found) > 10
    assert [number for number in found if number not in known] == []


def test_every_number_of_every_answer_stands_in_the_runs_tables(run):
    known, answered = known_numbers(run), []
    for path in sorted(run.glob("[0-9][0-9]_*.ipynb")):
        text = re.sub(r"\w+@10", " ", answer(run, path.stem))
        assert [number for number in re.findall(NUMBER, text) if number not in known] == [], path.stem
        answered += [path.name[:2]] if text else []
    assert set(answered) == set(ANSWERS)


def test_a_wrong_number_would_be_seen(run):
    """The studies' numbers are few, so that a sentence about others is caught."""
    moved = pd.read_csv(run / "last_state" / "perturb.csv")
    assert len(study_numbers(run)) < 150
    assert f"{moved.value.max() + 1:.2f}" not in study_numbers(run)


def first_table(page: str) -> pd.DataFrame:
    rows = re.findall(r"<tr>(.*?)</tr>", page[: page.index("</table>")], flags=re.DOTALL)
    cells = [[html.unescape(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)] for row in rows]
    return pd.DataFrame(cells[1:], columns=cells[0])


def test_the_table_of_the_front_page_is_that_of_the_scores(run, page):
    """Cell by cell, of what is not post-processed; and the bold ones are the largest."""
    scores = read_scores(run / "scores.csv").assign(name=method_names)
    table = first_table(page).set_index("name")
    assert len(table.columns) >= 3
    for column in table.columns:
        task, metric = column.split(": ")
        own = scores[(scores.task == task) & (scores.metric == metric) & scores.postprocess.isin(["none", "idf"])]
        own = own.set_index("name")
        shown = table.loc[table[column] != "", column]
        assert set(shown.index) == set(own.index)
        for name, cell in shown.items():
            row = own.loc[name]
            assert cell == f"{row.value:.3f} [{row.ci_low:.3f}, {row.ci_high:.3f}]"
        best = f"{own.value.max():.3f} ["
        assert any(cell.startswith(best) for cell in re.findall(r"<td class=best>([^<]+)<", page))


def test_what_is_recommended_is_what_the_runs_own_file_says(run, page):
    recommended = read_json(run / "recommended.json")
    name = method_names(pd.DataFrame([recommended])).iloc[0]
    assert f"{name}. {recommended['why']}".replace(" ", "") in said(page).replace(" ", "").replace("\n", "")
    choice = pd.read_csv(run / "choice.csv")
    numbers = re.findall(NUMBER, recommended["why"])
    assert len(numbers) >= 2
    assert set(numbers[1:]) <= written([*choice.score], ".2f")  # the first counts documents


def test_the_commands_of_the_front_page_can_be_typed(run, folders_corpus, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"<pre>(.*?)</pre>", write_index(run).read_text(), flags=re.DOTALL)
    commands = [shlex.split(line) for line in html.unescape(block).splitlines() if line]
    given = {"YOUR_DOCUMENTS": str(folders_corpus), "YOUR_VECTORS": str(tmp_path / "vectors")}
    typed = [[given.get(word, word) for word in words] for words in commands if words[0] == "unpadded"]
    assert [words[1] for words in typed] == ["search", "embed"]
    for words in typed:
        assert main(words[1:]) == 0, words
    assert "1" in capsys.readouterr().out
    assert (tmp_path / "vectors" / "manifest.json").is_file()
    rest = [words for words in commands if words[0] != "unpadded"]
    targets = re.findall(r"^([a-z-]+):", (Path(__file__).parents[2] / "Makefile").read_text(), flags=re.MULTILINE)
    assert rest == [["make", "lab"]]
    assert "lab" in targets
