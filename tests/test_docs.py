"""A reader follows every page from top to bottom: data is written, snippets run, commands run or are at least understood."""

import re
import runpy
import shutil
import subprocess
import tomllib
import warnings
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import pytest
from fastai.text.all import (
    AWD_LSTM,
    TextDataLoaders,
    awd_lstm_clas_config,
    awd_lstm_lm_config,
    language_model_learner,
    text_classifier_learner,
)
from sklearn.feature_extraction.text import HashingVectorizer

import unpadded
from docs_tools import (
    DIAGRAM,
    EXECUTED_BY,
    PAGES,
    ROOT,
    Block,
    accounted_for,
    blocks,
    commands,
    first_column,
    follow,
    links,
)
from unpadded.common.errors import InputError
from unpadded.common.names import POSTPROCESSES
from unpadded.corpus.corpus import Corpus
from unpadded.evaluation.clustering import agreement
from unpadded.evaluation.ranking import ranking
from unpadded.evaluation.scores import COLUMNS, Representation, score_row, to_frame, write_scores
from unpadded.evaluation.statistics import Interval
from unpadded.model.language_model import LanguageModel
from unpadded.runs.needs import left_out
from unpadded.runs.profiles import STAGES
from unpadded.runs.run import Run

pytestmark = pytest.mark.slow

SIZES = {"emb_sz": 8, "n_hid": 12, "n_layers": 1}


@pytest.fixture(scope="module")
def corpus(tiny_corpus) -> Corpus:
    return tiny_corpus.select(range(24))


@pytest.fixture(scope="module")
def learners(corpus) -> dict:
    """What the snippets call `learn` and `classifier_learn`."""
    frame = pd.DataFrame({"text": corpus.texts, "label": corpus.labels})
    options = {"text_col": "text", "valid_pct": 0.2, "bs": 4, "seed": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        language = TextDataLoaders.from_df(frame, is_lm=True, seq_len=9, **options)
        topics = TextDataLoaders.from_df(frame, label_col="label", **options)
        config, head = awd_lstm_lm_config | SIZES, awd_lstm_clas_config | SIZES
        return {
            "learn": language_model_learner(language, AWD_LSTM, config=config, pretrained=False),
            "classifier_learn": text_classifier_learner(topics, AWD_LSTM, config=head, pretrained=False),
        }


@pytest.fixture
def desk(corpus, learners, tiny_model, tmp_path, monkeypatch) -> dict:
    """A folder with what the pages speak of, and the names that their snippets begin with."""
    monkeypatch.chdir(tmp_path)
    for name in ("model", "outputs/reviews/language_model", "outputs/reviews/tuned_model"):
        tiny_model.save(tmp_path / name)
    table = pd.DataFrame({"id": corpus.ids, "body": corpus.texts, "topic": corpus.labels})
    table.to_csv("reviews.csv", index=False)
    table.rename(columns={"body": "text"}).to_json("documents.jsonl", orient="records", lines=True)
    options = {"corpus": "tiny", "task": "clustering", "metric": "v_measure", "n": 9, "seed": 0, "seconds": 1.0}
    row = score_row(Representation("lm", "mean", "none", None), Interval(0.5, 0.4, 0.6), **options)
    write_scores(to_frame([row]), tmp_path / "outputs" / "quick" / "scores.csv")
    Path("my.yaml").write_text("corpus: reviews.csv\nparameters: {text: body, label: topic}\npoints: [{seed: 0}]\n")
    learners["learn"].path = tmp_path
    other = LanguageModel.new(tiny_model.vocab, SIZES, direction="backward")
    return {
        "model": HashingVectorizer(n_features=64),
        "texts": corpus.texts,
        "labels": corpus.labels,
        "forward": tiny_model,
        "backward": other,
        **learners,
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_reader_who_follows_the_page(page, desk, monkeypatch):
    monkeypatch.setattr(Run, "execute", _plan_only)
    found = blocks(page)
    for block in found:
        if block.kind not in ("python", "shell", "inline"):
            Path(block.file or {"yaml": "my.yaml"}[block.kind]).write_text(block.text, encoding="utf-8")
    names = dict(desk)
    for block in found:
        try:
            if block.kind == "python":
                exec(compile(block.text, f"{page.name} line {block.line}", "exec"), names)
            elif block.kind in ("shell", "inline") and not block.text.startswith(DIAGRAM):
                for words in commands(block):
                    no_command = words[0].startswith("-") or words == ["unpadded"]  # but an option, or the package
                    assert follow(words) or no_command or accounted_for(words)
        except BaseException as error:
            error.add_note(f"in {page.name}, line {block.line}:\n{block.text}")
            raise


def _plan_only(run: Run) -> Path:
    """What `unpadded run` checks before it executes anything: the corpus, the notebooks and their parameters."""
    assert run.jobs(run.choice.load())
    return run.folder / "index.html"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_links_to_is_there(page):
    assert [link for link in links(page) if not (page.parent / unquote(link)).exists()] == []


def test_a_command_that_nobody_knows_fails():
    for line in ("unpadded run --corpsu x", "make nothing", "brew install torch", "python benchmarks/none.py"):
        block = Block("shell", "", line, 1)
        with pytest.raises((AssertionError, SystemExit)):
            follow(commands(block)[0])


def test_what_is_executed_elsewhere_is_and_no_entry_is_forgotten():
    for test in EXECUTED_BY.values():
        file, name = test.split("::")
        assert f"def {name}(" in next((ROOT / "tests").rglob(file)).read_text(), test
    found = {accounted_for(words) for page in PAGES for block in blocks(page) for words in commands(block)}
    assert set(EXECUTED_BY) <= found


def test_blocks_are_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "Say `make run` or `x`.\n\n    make test  # why\n\n```csv a.csv\ntext\n```\n- item:\n\n      make lab\n"
    )
    kinds = [(block.kind, block.file, block.line) for block in blocks(page)]
    assert kinds == [("inline", "", 1), ("shell", "", 3), ("csv", "a.csv", 5), ("shell", "", 10)]
    assert commands(blocks(page)[1]) == [["make", "test"]]


REFUSED = [
    ("r.csv", b"body,topic\ngood,film\n", {"text": "bdy"}, "has no column 'bdy' (did you mean 'body'?)"),
    ("r.jsonl", b'{"text": "a"}\n{"text": null}\n', {}, "null or not a string in row 2"),
    ("r.csv", b"a film that I saw twice,7\na book that I read once,8\n", {}, "and, it seems, no heading row"),
    (
        "r.jsonl",
        b'{"text": "a", "label": ["x"]}\n',
        {"label": "label"},
        "has a label that is no string or number in row 1",
    ),
    ("r.csv", b"id,text\n1,a\n1,b\n", {}, "has the same document id more than once"),
    ("r.csv", "text\nфильм\n".encode("cp1251"), {}, "is not utf-8 at byte 5"),
    ("r.csv", b"text,label\nhello, world,x\n", {}, "has 3 cells under 2 column names"),
    ("r.csv", b'text\n"hello\n', {}, "broken quoted cell"),
    ("r.doc", b"hello", {}, "is of no known type"),
    ("", b"", {}, "neither a file or folder that exists nor a named dataset"),
]


def test_the_refusals_are_those_that_the_page_lists(tmp_path):
    page = (ROOT / "docs" / "your_documents.md").read_text().split("## When it is refused")[1]
    assert re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE) == [sentence for *_, sentence in REFUSED]
    for name, content, columns, sentence in REFUSED:
        path = tmp_path / (name or "nowhere")
        if name:
            path.write_bytes(content)
        with pytest.raises(InputError, match=re.escape(sentence)):
            Corpus.load(path, **columns)


def test_every_name_in_a_score_table_is_explained():
    page = ROOT / "docs" / "figures.md"
    assert first_column(page, "What the figures mean") == set(COLUMNS)
    assert first_column(page, "Post-processings") == set(POSTPROCESSES)
    assert first_column(page, "Clustering") == {*agreement.METRICS, "silhouette", "HDBSCAN v_measure"}
    assert first_column(page, "Ranking") == {*ranking.METRICS, "spearman"}
    source = "\n".join(
        (ROOT / "lib" / "unpadded" / "evaluation" / "baselines" / f"{name}.py").read_text()
        for name in ("baselines", "of_tokens", "static", "transformer")
    )
    made = set(re.findall(r'Representation\(\s*"(\w+)", ""', source)) | {ranking.BM25_REPRESENTATION.method}
    assert first_column(page, "Baselines") == made


def test_what_is_measured_follows_from_the_corpus():
    """As your_documents.md says: without labels and judgments nothing is scored, and so nothing is compared."""

    def suited(labels: list[str] | None) -> list[str]:
        reasons = left_out(STAGES, Corpus.from_texts(["one", "two", "three", "four"], labels))
        return [stage.name[:2] for stage in STAGES if stage.name not in reasons]

    assert suited(None) == suited(list("xxxx")) == suited(list("abcd")) == ["01", "02", "10", "03", "04", "05"]
    assert suited(list("xxyy")) == [stage.name[:2] for stage in STAGES]


def test_the_makefile_lists_all_that_it_can_do():
    text = (ROOT / "Makefile").read_text()
    listed = set(re.findall(r"^([a-z-]+):.*##", text, re.MULTILINE))
    assert set(re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)[1].split()) == listed


def test_the_training_page_gives_what_the_makefile_tells_glibc_and_glibc_knows_it():
    told = re.search(r"^KEEP_MEMORY := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    assert f"    export GLIBC_TUNABLES={told}\n" in (ROOT / "docs" / "training.md").read_text()
    loader = Path("/lib64/ld-linux-x86-64.so.2")
    if not loader.exists():
        pytest.skip("there is no glibc for this processor here")
    listed = subprocess.run([loader, "--list-tunables"], capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("the C library here does not list what it can be told")
    assert {part.partition("=")[0] for part in told.split(":")} <= set(re.findall(r"^([\w.]+):", listed.stdout, re.M))


def test_hooks_run_what_is_installed_and_download_nothing():
    import yaml

    repos = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repo["repo"] for repo in repos] == ["local"]
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    names = {re.match(r"[\w-]+", name)[0] for extra in wanted.values() for name in extra}
    for hook in repos[0]["hooks"]:
        assert hook["language"] == "system"
        tool = hook["entry"].split()[0].removeprefix(".venv/bin/")
        assert tool in names, tool
        assert shutil.which(tool, path=ROOT / ".venv" / "bin") or not (ROOT / ".venv").exists()


def test_the_api_reference_is_built_without_the_network(tmp_path):
    pytest.importorskip("pdoc", reason="pdoc, of the extra `dev`, is not installed")
    runpy.run_path(str(ROOT / "docs" / "api.py"))["main"](str(tmp_path))
    front, encoder = ((tmp_path / name).read_text() for name in ("unpadded.html", "unpadded/encoding/encoder.html"))
    assert all(f'id="{name}"' in front for name in ("Corpus", "DocumentEncoder", "LanguageModel", "certify"))
    assert "encode_tokens" in encoder
    for page in tmp_path.rglob("*.html"):
        assert not re.findall(r'<(?:script|img|link|iframe)[^>]+(?:src|href)="(?:https?:)?//', page.read_text()), page


def test_types_are_checked_on_the_public_contract():
    files = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["files"]
    assert all((ROOT / name).is_file() for name in files)
    homes = {getattr(unpadded, name).__module__ for name in unpadded.__all__ if name != "__version__"}
    assert {"lib/unpadded/__init__.py", *(f"lib/{module.replace('.', '/')}.py" for module in homes)} <= set(files)
