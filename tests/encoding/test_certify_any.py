"""certify on encoders of anybody's: planted faults are named, sound encoders pass, calls are bounded, examples are small."""

import json
import sys

import numpy as np
import pytest
import torch
from faulty_encoders import FAULTS, SAME, SOUND, mean, pads_in_the_mean, sorted_and_not_back, states, transformer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import make_texts
from encoder_tools import random_documents, random_model
from unpadded.common import glyphs
from unpadded.common.errors import InputError
from unpadded.encoding.certification.certifying import assert_batch_invariant, certify
from unpadded.encoding.certification.example import Example
from unpadded.encoding.certification.precision import VERDICTS, working_precision
from unpadded.encoding.encoder import DocumentEncoder
from unpadded.studies.padding.fastai_batches import batched_vectors

TEXTS = make_texts(12)[0]
WORD = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=8)
ANY_TEXTS = st.lists(st.lists(WORD, min_size=1, max_size=12).map(" ".join), min_size=2, max_size=8, unique=True)
# Not found in every list of texts: the thousandth call, and caches, which need texts that a mean tells apart.
ALWAYS = sorted(set(FAULTS) - {"now and then", "cache by length", "cache by words"})
LENIENT = settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_named_with_a_small_example(name, tmp_path):
    make, verdict, follows, most = FAULTS[name]
    report = certify(make(), TEXTS)
    assert report.verdict == verdict, report
    assert follows in (None, report.follows), report
    assert report.worse_than("rounding")
    assert 1 <= len(report.smallest) <= most, report
    assert report.n_calls <= 1500
    report.save_smallest(tmp_path / "smallest.json")
    example = Example.load(tmp_path / "smallest.json")
    assert example == report.example
    assert example.reproduces(make())
    assert not example.reproduces(mean)
    with pytest.raises(AssertionError, match=verdict):
        assert_batch_invariant(make(), TEXTS)


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_encoder_passes(name):
    make, verdict = SOUND[name]
    report = certify(make(), TEXTS, max_calls=300)
    assert report.verdict == verdict, report
    assert not report.worse_than("rounding")
    assert bool(report.smallest) == (report.max_abs_diff > 0)
    assert assert_batch_invariant(make(), TEXTS, max_calls=300).verdict == verdict


@pytest.mark.parametrize("name", ALWAYS)
@LENIENT
@given(texts=ANY_TEXTS)
def test_faults_are_named_whatever_the_texts(name, texts):
    make, verdict, _, most = FAULTS[name]
    report = certify(make(), texts, max_calls=300)
    assert report.verdict == verdict, report
    assert len(report.smallest) <= most
    assert report.n_calls <= 300
    assert report.example.reproduces(make())


@pytest.mark.parametrize("name", SOUND)
@LENIENT
@given(texts=st.lists(st.text(max_size=40), min_size=1, max_size=8), max_calls=st.integers(8, 120))
def test_a_sound_encoder_never_fails(name, texts, max_calls):
    report = certify(SOUND[name][0](), texts, max_calls=max_calls)
    assert not report.worse_than("rounding"), report
    assert report.n_calls <= max_calls


@pytest.mark.parametrize(
    "pure", [lambda texts: [[len(text)] for text in texts], lambda texts: np.zeros((len(texts), 3))]
)
def test_an_encoder_that_sees_little_is_not_taken_for_a_cache(pure):
    assert certify(pure, TEXTS).verdict == SAME


@pytest.mark.parametrize("max_calls", [8, 9, 20, 57, 150])
@pytest.mark.parametrize("name", ["pads in the mean", "dropout", "sorted and not back", "BatchNorm in training"])
def test_calls_are_counted_and_never_more_than_allowed(name, max_calls):
    encoder, calls = FAULTS[name][0](), []

    def counted(texts):
        calls.append(texts)
        return getattr(encoder, "encode", encoder)(texts)

    report = certify(counted, TEXTS, max_calls=max_calls)
    assert report.n_calls == len(calls) <= max_calls
    assert report.verdict == FAULTS[name][1] or max_calls < 57


class Scikit:
    def transform(self, texts):
        return mean(texts)


class SentenceTransformersLike(torch.nn.Module):
    """Callable too, which is not what is meant."""

    def encode(self, texts, batch_size=2):
        if isinstance(texts, str):
            return mean([texts])[0]
        order = np.argsort([-len(text) for text in texts])
        batches = [mean([texts[i] for i in order[k : k + batch_size]]) for k in range(0, len(texts), batch_size)]
        return np.concatenate(batches)[np.argsort(order)]


@pytest.mark.parametrize(
    "encoder",
    [
        Scikit(),
        SentenceTransformersLike(),
        lambda texts: mean(texts).tolist(),
        lambda texts: torch.from_numpy(mean(texts)).bfloat16(),
        lambda texts: list(torch.from_numpy(mean(texts))),
        lambda texts: mean(texts).astype(np.float16),
        lambda texts: np.asfortranarray(mean(texts)),
        lambda texts: torch.nn.Parameter(torch.from_numpy(mean(texts))),
    ],
)
def test_whatever_holds_rows_is_an_answer(encoder):
    assert certify(encoder, TEXTS, max_calls=150).verdict == SAME


def test_sparse_rows_of_a_vectorizer_are_never_made_dense():
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer

    report = certify(TfidfVectorizer().fit(TEXTS), TEXTS, max_calls=150)
    assert report.verdict == SAME
    assert any("single str" in note for note in report.notes)  # scikit-learn refuses it
    assert certify(HashingVectorizer(n_features=2**24), TEXTS, max_calls=150).verdict == SAME  # 128 MiB a dense row


def test_token_ids_instead_of_texts():
    table = np.random.default_rng(0).normal(size=(50, 8))
    kinds = set()

    def last_of_padded(documents):
        kinds.update(type(document) for document in documents)
        longest = max(map(len, documents))
        vectors = np.zeros((len(documents), longest, 16))
        for row, ids in zip(vectors, documents, strict=True):
            row[: len(ids), :8] = table[np.asarray(ids, int)]
        return states(vectors)[:, -1]

    documents = [np.arange(n) % 50 for n in (3, 9, 4, 20)]
    report = certify(last_of_padded, documents, max_calls=300)
    assert (report.verdict, report.follows) == ("depends on the batch", "longer texts")
    assert all(isinstance(token, int) for document in report.smallest for token in document)
    assert len(report.smallest) == 2
    assert report.example.reproduces(last_of_padded)
    assert kinds == {np.ndarray, list}  # as it was given; from JSON lists
    assert json.loads(json.dumps(report.to_dict()))["smallest"] == report.smallest


def test_fastais_own_chunks_of_a_padded_batch():
    """pad_input_chunk and SentenceEncoder, fastai's issue 3379."""
    lm = random_model()

    def fastais(documents):
        order = np.argsort([-len(ids) for ids in documents], kind="stable")
        vectors = batched_vectors(lm, [np.asarray(documents[i], np.int64) for i in order], bptt=4, max_len=None)
        return vectors[np.argsort(order)]

    documents = [2 + ids for ids in random_documents([3, 6, 9, 14, 22, 31], 48)]  # no pads among them
    report = certify(fastais, documents)
    assert report.verdict == "depends on the batch"
    assert report.follows == "longer texts"
    assert len(report.smallest) == 2
    assert report.example.reproduces(fastais)


def test_ours_beside_it():
    encoder = DocumentEncoder(random_model(), pooling="concat")
    report = certify(encoder.encode_tokens, random_documents([3, 6, 9, 14, 22, 31]), max_calls=300)
    assert report.verdict == "bit-identical"


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("n_hid", [11, 230])
def test_ours_in_every_precision(precision, n_hid):
    encoder = DocumentEncoder(random_model(n_hid=n_hid), precision=precision)
    documents = random_documents([1, 6, 9, 31])
    assert certify(encoder, documents).verdict == "bit-identical"
    assert certify(encoder.encode_tokens, documents, max_calls=100).verdict == "bit-identical"


def test_the_verdict_on_a_faulty_encoder_of_ours_is_as_that_on_anybodys():
    class Leaky(DocumentEncoder):
        def encode_tokens(self, token_ids, **options):
            return super().encode_tokens(token_ids, **options) + (len(token_ids) > 1) * np.float32(1e-3)

    report = certify(Leaky(random_model()), random_documents([3, 9]))
    assert (report.verdict, report.follows) == ("depends on the batch", "the number of texts")
    assert len(report.smallest) == 2
    assert report.min_cosine < 1
    assert report.plot()


def test_what_an_encoder_does_not_take_is_noted_and_not_fatal():
    def strict(texts):
        if isinstance(texts, str) or not all(texts) or max(map(len, texts)) > 400:
            raise ValueError("only lists of short texts")
        return mean(texts)

    report = certify(strict, [*TEXTS, "", "x" * 1000], max_calls=150)
    assert report.verdict == SAME
    for part in ("no single str", "1 of 14 texts alone", "an empty text", "a very long text"):
        assert any(part in note for note in report.notes) or part == "1 of 14 texts alone", report.notes
    assert any("2 of 14 texts alone" in note for note in report.notes)


def test_odd_but_harmless_is_noted():
    kept = np.zeros((1, 16), np.float32)

    def careless(texts):
        rows = mean(texts)
        texts.pop()
        if len(rows) == 1:
            kept[:] = rows
            return kept
        return rows

    report = certify(careless, TEXTS, max_calls=150)
    assert report.verdict == SAME
    assert {note.split(" ")[1] for note in report.notes} >= {"changes", "writes"}


def test_nan_in_a_batch_alone_is_a_difference_and_nan_in_both_is_none():
    assert certify(lambda texts: mean(texts) * np.nan, TEXTS, max_calls=150).verdict == SAME
    report = certify(lambda texts: mean(texts) * (np.nan if len(texts) > 2 else 1), TEXTS, max_calls=150)
    assert report.verdict == "depends on the batch"
    assert report.max_abs_diff == np.inf
    assert report.to_dict()["max_abs_diff"] is None
    assert any("NaN" in note for note in report.notes)


@pytest.mark.parametrize(
    ("encoder", "texts", "options", "sentence"),
    [
        (mean, [], {}, "no texts"),
        (mean, "a text", {}, "one str"),
        (mean, {"text": TEXTS}, {}, "one dict"),
        (mean, ["a", 3], {}, "Document 0 is neither"),
        (Scikit, TEXTS, {}, "the class Scikit"),
        (3, TEXTS, {}, "is int"),
        (mean, TEXTS, {"max_calls": 3}, "max_calls is 3"),
        (mean, TEXTS, {"sample": 0}, "sample is 0"),
        (mean, TEXTS, {"precision": "float8"}, "'float8' is not known"),
        (lambda texts: mean([*texts, "one more"]), TEXTS, {}, "returned 2 rows for 1 text"),
        (lambda texts: None, TEXTS, {}, "returned NoneType, not an array"),
        (lambda texts: mean(texts)[:, None, None], TEXTS, {}, "4 dimensions"),
        (lambda texts: {"vectors": mean(texts)}, TEXTS, {}, "returned dict"),
        (lambda texts: 1 / 0, TEXTS, {}, "raised ZeroDivisionError: division by zero"),
        (lambda texts: mean(texts) if len(texts) == 1 else 1 / 0, TEXTS, {}, "takes no batch: it raised ZeroDivision"),
    ],
)
def test_wrong_input_is_one_sentence(encoder, texts, options, sentence):
    with pytest.raises(InputError) as error:
        certify(encoder, texts, **options)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_the_figures_of_a_fault():
    report = certify(pads_in_the_mean, TEXTS)
    assert report.max_abs_diff > 0.1
    assert report.min_cosine < 0.9
    assert 0 < report.neighbours_changed <= 10
    frame = report.to_frame()
    assert set(frame.columns) >= {"trial", "calls", "n_documents", "max_abs_diff", "min_cosine", "n_different"}
    assert frame.set_index("trial")["max_abs_diff"]["among copies of itself"] == 0
    assert frame.set_index("trial")["max_abs_diff"]["among longer"] > 0.1
    assert json.loads(json.dumps(report.to_dict()))["verdict"] == report.verdict
    assert report.smallest[0] in str(report)


def test_a_tolerance_of_ones_own():
    def slightly(texts):
        return mean(texts) + (len(texts) > 1) * np.float32(1e-3)

    assert assert_batch_invariant(slightly, TEXTS, tolerance=2e-3, max_calls=150).verdict == "depends on the batch"
    with pytest.raises(AssertionError, match=r"more than 0\.0001\n(.|\n)*smallest example"):
        assert_batch_invariant(slightly, TEXTS, tolerance=1e-4, max_calls=150)


def test_a_declared_precision_makes_rounding_of_what_its_vectors_do_not_show():
    def half_inside(texts):  # another last bit in a batch, and float32 afterwards
        vectors = torch.from_numpy(mean(texts)).bfloat16().double() * (1 + 2**-7 * (len(texts) > 1))
        return vectors / vectors.norm(dim=1, keepdim=True) ** 0.5

    assert certify(half_inside, TEXTS, max_calls=150).verdict == "depends on the batch"
    assert certify(half_inside, TEXTS, max_calls=150, precision="bfloat16").verdict == "rounding"


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_the_working_precision_is_seen_in_the_values(dtype):
    values = torch.randn(50, generator=torch.Generator().manual_seed(0)).to(getattr(torch, dtype))
    assert working_precision(values.double().numpy()) == dtype
    assert working_precision(np.arange(50.0)) == "float32"  # counts are in every precision
    assert working_precision(np.arange(50) / 8) == "float32"


def test_an_example_can_be_mended_and_a_foreign_file_is_refused(tmp_path):
    example = certify(sorted_and_not_back, TEXTS, max_calls=300).example
    assert example.reproduces(sorted_and_not_back)
    assert not example.reproduces(mean)
    for content in ("", "[]", "{}", '{"format": "unpadded smallest example 1", "calls": []}', '{"format": "x"}'):
        (tmp_path / "foreign.json").write_text(content)
        with pytest.raises(InputError, match=r"no example of certify"):
            Example.load(tmp_path / "foreign.json")
    with pytest.raises(InputError, match="cannot be read"):
        Example.load(tmp_path / "none.json")
    with pytest.raises(InputError, match="no example to save"):
        certify(mean, TEXTS, max_calls=150).save_smallest(tmp_path / "none.json")


def test_verdicts_are_ordered():
    report = certify(transformer, TEXTS, max_calls=150)
    assert report.verdict == "rounding"
    assert [report.worse_than(verdict) for verdict in VERDICTS] == [True, False, False, False, False]
    with pytest.raises(InputError, match="'fine' is not known"):
        report.worse_than("fine")


def test_progress_is_a_line_on_stderr(capsys):
    certify(mean, TEXTS, max_calls=40, progress=True)
    shown = capsys.readouterr()
    assert "of at most" in shown.err
    assert not shown.out
    certify(mean, TEXTS, max_calls=40)
    assert not capsys.readouterr().err


def test_the_picture_names_the_culprit(tmp_path):
    report = certify(pads_in_the_mean, TEXTS)
    figure = report.plot()
    words = " ".join(text.get_text() for text in figure.axes[0].texts) + figure.axes[0].get_title(loc="left")
    assert report.verdict in words
    assert "longer texts" in words
    assert report.smallest[0] in words
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == list(report.trials)
    figure.savefig(tmp_path / "picture.png")
    assert certify(mean, ["$x$"], max_calls=20).plot()


def test_texts_that_the_pictures_font_lacks_are_written_out(tmp_path, monkeypatch, recwarn):
    monkeypatch.setattr(glyphs, "_others", dict)  # a machine with no other fonts
    figure = certify(pads_in_the_mean, [f"{text} 体" for text in TEXTS]).plot()
    assert r"\u4f53" in " ".join(text.get_text() for text in figure.axes[0].texts)
    figure.savefig(tmp_path / "picture.png")
    assert not [str(warning.message) for warning in recwarn if "Glyph" in str(warning.message)]


def test_matplotlib_is_only_needed_for_the_picture():
    import subprocess

    code = (
        "import sys\n"
        "from unpadded import certify\n"
        "certify(lambda texts: [[len(t), 1.5] for t in texts], ['a', 'b c'], max_calls=60)\n"
        "assert not [n for n in sys.modules if n.startswith('unpadded.encoding.certification.picture')]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
