"""Users' own files: every layout, and every way one can be wrong."""

import csv
import gzip
import json
import os
import warnings

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unpadded.common.errors import InputError
from unpadded.corpus.corpus import Corpus

ROUND_TRIP = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
# Everything that UTF-8 can hold: lone surrogates cannot be written.
TEXTS = st.lists(
    st.text(st.characters(codec="utf-8")) | st.sampled_from(["", "NA", "null", '"', "a\r\nb", "🙂\t,", "\ufeff"]),
    min_size=1,
    max_size=6,
)


def refusal(*args, **options) -> str:
    with pytest.raises(InputError) as caught:
        Corpus.load(*args, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def write(path, content: str | bytes):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def write_jsonl(path, rows):
    return write(path, "".join(json.dumps(row) + "\n" for row in rows))


def write_table(path, columns: dict[str, list]):
    if path.suffix == ".parquet":
        pq.write_table(pa.table(columns), path)
    elif path.suffix == ".jsonl":
        write_jsonl(path, [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)])
    else:
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter="," if path.suffix == ".csv" else "\t")
            writer.writerows([list(columns), *zip(*columns.values(), strict=True)])
    return path


# Tables


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet"])
@given(texts=TEXTS)
@ROUND_TRIP
def test_any_text_comes_back_as_it_was_written(tmp_path, ending, texts):
    path = write_table(tmp_path / f"table{ending}", {"text": texts})
    corpus = Corpus.load(path)
    assert corpus.texts == texts
    assert corpus.ids == [str(row) for row in range(1, len(texts) + 1)]
    assert (corpus.labels, corpus.split) == (None, None)


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_columns_are_found_by_standard_name_or_by_the_given_one(tmp_path, ending):
    columns = {"text": ["a", "b"], "label": [1, 2], "id": ["x", "y"], "split": ["train", "test"]}
    corpus = Corpus.load(write_table(tmp_path / f"one.v2{ending}", columns))
    assert (corpus.name, corpus.ids, corpus.labels, corpus.split) == (
        "one.v2",
        ["x", "y"],
        ["1", "2"],
        ["train", "test"],
    )
    columns = {"body": ["a", "b"], "topic": ["t", "u"], "label": ["", ""], "key": [7, 8], "part": ["p", "p"]}
    path = write_table(tmp_path / f"two{ending}", columns)
    corpus = Corpus.load(str(path), text="body", label="topic", id="key", split="part")
    assert (corpus.texts, corpus.labels, corpus.ids, corpus.split) == (["a", "b"], ["t", "u"], ["7", "8"], ["p", "p"])


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_a_missing_column_is_named_with_those_there_are(tmp_path, ending):
    path = write_table(tmp_path / f"t{ending}", {"Texts": ["a"], "topic": ["t"]})
    message = refusal(path)
    assert f"{path} has no column 'text' (did you mean 'Texts'?)" in message
    assert "'Texts', 'topic'" in message
    assert "no column 'topics' (did you mean 'topic'?): give as label=" in refusal(path, text="Texts", label="topics")


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_repeated_ids_and_no_rows_are_refused(tmp_path, ending):
    path = write_table(tmp_path / f"ids{ending}", {"text": ["a"] * 3, "id": [1, 2, 1]})
    assert f"{path} has the same document id more than once: 1 (1 in all)" in refusal(path)
    path = write_table(tmp_path / f"none{ending}", {"text": []})
    assert f"{path} holds no documents" in refusal(path)


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_rows_without_a_label_are_unlabelled_and_labels_can_be_left_out(tmp_path, ending):
    missing = [None] * 2 if ending in (".jsonl", ".parquet") else [""] * 2
    path = write_table(tmp_path / f"labels{ending}", {"text": list("abcd"), "label": ["x", *missing, "y"]})
    corpus = Corpus.load(path)
    assert (corpus.labels, corpus.topics) == (["x", None, None, "y"], ["x", "y"])
    assert corpus.notes == ("2 documents without a label: only the language model reads them",)
    assert Corpus.load(path, label="").labels is None
    path = write_table(tmp_path / f"nothing{ending}", {"text": list("ab"), "label": missing})
    assert Corpus.load(path).labels is None


def test_labels_of_a_folder_and_of_a_dataset_can_be_left_out(tmp_path):
    write(tmp_path / "arts" / "1.txt", "one")
    write(tmp_path / "sport" / "1.txt", "two")
    assert Corpus.load(tmp_path, label="").labels is None
    assert Corpus.load(tmp_path).topics == ["arts", "sport"]


@pytest.mark.parametrize("ending", [".jsonl", ".parquet"])
def test_documents_that_are_null_or_no_text_are_refused(tmp_path, ending):
    path = write_table(tmp_path / f"nulls{ending}", {"text": ["a", None, "b", None]})
    assert f"{path} has a document that is null or not a string in row 2, 4 (2 in all)" in refusal(path)
    path = write_table(tmp_path / f"nested{ending}", {"text": [["a"], ["b"]]})
    assert "not a string in row 1, 2 (2 in all)" in refusal(path)


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_numbers_are_text_in_every_table(tmp_path, ending):
    path = write_table(tmp_path / f"numbers{ending}", {"text": [1984, 7], "label": [1, 2]})
    corpus = Corpus.load(path)
    assert (corpus.texts, corpus.labels) == (["1984", "7"], ["1", "2"])


def test_a_fraction_in_jsonl_keeps_its_digits(tmp_path):
    path = write(tmp_path / "t.jsonl", '{"text": 1.50, "label": 2.0}\n{"text": 1e5, "label": 3}\n')
    corpus = Corpus.load(path)
    assert (corpus.texts, corpus.labels) == (["1.50", "1e5"], ["2.0", "3"])


def test_strings_that_parquet_holds_as_binary(tmp_path):
    columns = {"text": ["é".encode(), b"b"], "label": [b"x", b"y"], "id": [b"1", b"2"]}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    corpus = Corpus.load(tmp_path / "t.parquet")
    assert (corpus.texts, corpus.labels, corpus.ids) == (["é", "b"], ["x", "y"], ["1", "2"])
    pq.write_table(pa.table({"text": [b"a", b"\xff\xfe\xfd"]}), tmp_path / "u.parquet")
    assert f"{tmp_path / 'u.parquet'} row 2 is not" in refusal(tmp_path / "u.parquet")


def test_a_csv_row_without_a_text_cell_is_null(tmp_path):
    path = write(tmp_path / "t.csv", 'label,text\nx,"a,\nb"\ny\n\nz,c\n')
    assert "null or not a string in row 2 (1 in all)" in refusal(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        ("text,label\na,b,c\n", "row 1 has 3 cells under 2 column names"),
        ("text,text\na,b\n", "2 columns called 'text'"),
        ('text\nfine\n"open\nand on\n', "in the row at line 3"),
        ('text\n"a"b\n', "in the row at line 2"),
    ],
)
def test_a_broken_csv_is_refused_with_its_place(tmp_path, content, said):
    path = write(tmp_path / "t.csv", content)
    assert f"{path} " in refusal(path)
    assert said in refusal(path)


def test_csv_of_windows_and_of_very_long_documents(tmp_path):
    long = "word " * 40_000
    path = write(tmp_path / "t.csv", f"\ufefftext, label,\r\n{long},x,\r\n\r\nb,y,\r\n")
    before = csv.field_size_limit()
    corpus = Corpus.load(path)
    assert (corpus.texts, corpus.labels) == ([long, "b"], ["x", "y"])
    assert csv.field_size_limit() == before


def test_empty_cells_beyond_the_heading_are_harmless(tmp_path):
    assert Corpus.load(write(tmp_path / "t.csv", "text,label\na,x,\nb,y,,\n")).texts == ["a", "b"]


def test_jsonl_lines_that_are_no_objects_are_refused(tmp_path):
    path = write(tmp_path / "t.jsonl", '{"text": "a"}\n\n{"text": \n')
    assert f"{path} line 3 is not JSON" in refusal(path)
    path = write(tmp_path / "u.jsonl", '{"text": "a"}\n["b"]\n')
    assert f"{path} line 2 is list, not a JSON object" in refusal(path)


def test_labels_that_are_lists_are_no_topics_and_refused_where_they_are_asked_for(tmp_path):
    path = write(tmp_path / "t.jsonl", '{"text": "a", "label": ["x"]}\n{"text": "b", "label": NaN}\n')
    assert "in row 1 (1 in all)" in refusal(path, label="label")
    corpus = Corpus.load(path)
    assert corpus.labels is None
    assert corpus.notes == ("the column label is no topic: it holds lists or objects",)


def test_lone_surrogates_in_ids_and_labels_are_written_out(tmp_path):
    path = write_jsonl(tmp_path / "t.jsonl", [{"text": "a", "label": "\ud800é", "id": "\udce9"}])
    corpus = Corpus.load(path)
    assert (corpus.labels, corpus.ids) == ([r"\ud800é"], [r"\udce9"])


def test_a_torn_parquet_is_refused(tmp_path):
    whole = write_table(tmp_path / "t.parquet", {"text": ["some words"] * 500}).read_bytes()
    for cut in (0, 3, len(whole) // 2, len(whole) - 1):
        path = write(tmp_path / "torn.parquet", whole[:cut])
        assert f"{path} is not a whole Parquet file" in refusal(path)
    path = write(tmp_path / "torn.parquet", whole[:20] + bytes(40) + whole[60:])
    assert f"{path} is not a whole Parquet file" in refusal(path)


@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_packed_tables(tmp_path, ending):
    plain = write_table(tmp_path / f"t{ending}", {"text": ["a", "é"]})
    packed = write(tmp_path / f"t{ending}.gz", gzip.compress(plain.read_bytes()))
    corpus = Corpus.load(packed)
    assert (corpus.name, corpus.texts) == ("t", ["a", "é"])
    torn = write(tmp_path / f"u{ending}.gz", packed.read_bytes()[:-9])
    assert f"{torn} is not a whole gzip file" in refusal(torn)


@pytest.mark.parametrize("name", ["notes.docx", "README", "t.parquet.gz", ".csv"])
def test_a_file_of_unknown_type_is_refused(tmp_path, name):
    path = write(tmp_path / name, "text\na\n")
    assert f"{path} is of no known type" in refusal(path)


@pytest.mark.parametrize(
    ("content", "offset"),
    [
        (b"\xef\xbb\xbftext\ncaf\xe9\n", 11),  # its mark says that it is UTF-8
        (b"text\nfine\n\xc3", 10),  # torn
        (b"text\n" + "é".encode() * 9 + b"\xff\n", 23),  # damaged
        ("text\nэто хороший фильм\n".encode("cp1251"), 5),  # other code pages
        ("text\nzażółć gęślą jaźń, łódź\n".encode("cp1250"), 7),
        ("text\n日本語のテキスト\n".encode("shift_jis"), 5),
    ],
)
def test_undecodable_bytes_are_named_with_their_offset(tmp_path, content, offset):
    path = write(tmp_path / "t.csv", content)
    message = refusal(path)
    assert f"{path} is not utf-8 at byte {offset} (0x{content[offset]:02x})" in message
    assert "--encoding cp1252 (encoding='cp1252' in Python)" in message


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("cp1252", "Windows-1252"),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16-LE"),
        ("utf-16-be", "UTF-16-BE"),
        ("utf-32", "UTF-32"),
    ],
)
@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_other_encodings_are_found_out_and_said(tmp_path, encoding, said, ending):
    texts = ["l’été où çà était déjà", "Über die Straße für schöne Gäste – 5 €", "plain"]
    path = write_table(tmp_path / f"t{ending}", {"text": texts})
    rows = [json.dumps({"text": text}, ensure_ascii=False) for text in texts]
    whole = "\n".join(rows) if ending == ".jsonl" else path.read_text()
    path.write_bytes(whole.encode(encoding))
    corpus = Corpus.load(path)
    assert corpus.texts == texts
    assert corpus.notes == (f"t{ending} is read as {said}",)


def test_another_encoding_can_be_given(tmp_path):
    path = write(tmp_path / "t.csv", b"text\ncaf\xe9\n")
    assert Corpus.load(path, encoding="latin-1").texts == ["café"]
    assert "'latin-one' is none that Python knows" in refusal(path, encoding="latin-one")


@pytest.mark.parametrize(("delimiter", "said"), [(";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars")])
@pytest.mark.parametrize("column", ["text", "Kommentar"])
def test_delimiters_are_found_out_and_said(tmp_path, delimiter, said, column):
    rows = [[column, "label"], ["one, two, and more", "x"], ["plain", "y"], [f"quoted{delimiter} so", "x"]]
    with open(tmp_path / "t.csv", "w", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    corpus = Corpus.load(tmp_path / "t.csv", text=column)
    assert corpus.texts == [row[0] for row in rows[1:]]
    assert corpus.labels == ["x", "y", "x"]
    assert f"t.csv is read as separated by {said}" in corpus.notes
    if column != "text":
        assert "'Kommentar', 'label'" in refusal(tmp_path / "t.csv", text="Komentar")


def test_semicolons_in_the_text_are_no_delimiter(tmp_path):
    path = write(tmp_path / "t.csv", "text\na; b\nc; d\n")
    assert Corpus.load(path).texts == ["a; b", "c; d"]
    path = write(tmp_path / "u.csv", "text,label\na; b,x\nc; d,y\n")
    assert (Corpus.load(path).texts, Corpus.load(path).notes) == (["a; b", "c; d"], ())


def test_the_line_that_names_the_delimiter_to_excel_is_read_as_that(tmp_path):
    path = write(tmp_path / "t.csv", "sep=;\r\ntext;label\r\nhello, you;x\r\n")
    assert (Corpus.load(path).texts, Corpus.load(path).labels) == (["hello, you"], ["x"])


def test_a_delimiter_can_be_given(tmp_path):
    path = write(tmp_path / "t.txt", "text~label\na,b~x\n")
    assert Corpus.load(path, delimiter="~").texts == ["a,b"]
    path = write(tmp_path / "t.csv", "text\tlabel\na\tx\n")
    for name in ("tab", "\\t", "\t"):
        assert Corpus.load(path, delimiter=name).labels == ["x"]
    assert "delimiter='::' is no single character" in refusal(path, delimiter="::")
    assert "leave out delimiter=';'" in refusal(tmp_path, delimiter=";")
    jsonl = write_jsonl(tmp_path / "t.jsonl", [{"text": "a"}])
    assert "leave out --delimiter and --no-heading" in refusal(jsonl, heading=False)


DOCUMENTS = ["A secret that nobody may read.", "Bread needs flour and time", "the league ended"]


@pytest.mark.parametrize("first", [0, 1])
def test_a_table_without_a_heading_is_read_by_numbers_and_said_without_quoting_it(tmp_path, first):
    rows = [["food", text] if first else [text, "food"] for text in DOCUMENTS]
    for name, delimiter in (("t.csv", ","), ("t.tsv", "\t")):
        with open(tmp_path / name, "w", newline="") as file:
            csv.writer(file, delimiter=delimiter).writerows(rows)
        message = refusal(tmp_path / name)
        assert "has no column 'text' and, it seems, no heading row" in message
        assert "--no-heading" in message
        assert not any(word in message for text in [*DOCUMENTS, "food"] for word in text.split() if len(word) > 3)
        corpus = Corpus.load(tmp_path / name, heading=False, text=str(first + 1), label=str(2 - first))
        assert (corpus.texts, corpus.topics) == (DOCUMENTS, ["food"])
        assert "has no column '3'" in refusal(tmp_path / name, heading=False, text="3")


def test_one_column_without_a_heading_is_the_text(tmp_path):
    path = write(tmp_path / "t.csv", "".join(f'"{text}"\n' for text in DOCUMENTS))
    assert "no heading row" in refusal(path)
    assert not any(text in refusal(path) for text in DOCUMENTS)
    assert Corpus.load(path, heading=False).texts == DOCUMENTS


def test_rows_of_nothing_but_delimiters_are_no_documents(tmp_path):
    path = write(tmp_path / "t.csv", 'text,label,id\na,x,1\n,,\n"",,\n  , ,\n\nb,y,2\n,,\n')
    corpus = Corpus.load(path)
    assert (corpus.texts, corpus.labels) == (["a", "b"], ["x", "y"])
    assert corpus.notes == ("left out 4 rows of nothing but delimiters",)
    corpus = Corpus.load(write(tmp_path / "t.csv", "text,label\na,x\n \nb,y\n"))  # a blank and an end of line
    assert (corpus.texts, corpus.labels) == (["a", "b"], ["x", "y"])
    assert Corpus.load(write(tmp_path / "t.csv", "text\na\n \nb\n")).texts == ["a", " ", "b"]


@pytest.mark.parametrize(
    "cell",
    [
        '"Well," she said',
        '"open and never closed',
        'an "inner" quote',
        '"All of it quoted."',
        "it's",
        '"',
        '"a" and "b"',
    ],
)
def test_an_unquoted_tsv_keeps_its_quotes(tmp_path, cell):
    path = write(tmp_path / "t.tsv", f"text\tlabel\nplain words, some\tx\n{cell}\ty\nmore\tx\n")
    corpus = Corpus.load(path)
    assert corpus.texts == ["plain words, some", cell, "more"]
    said = "the quotes in t.tsv are text: its cells are not quoted as such"
    assert corpus.notes == ((said,) if cell.startswith('"') else ())


def test_a_quote_does_not_swallow_the_rows_up_to_another(tmp_path):
    path = write(tmp_path / "t.tsv", 'text\tlabel\n"one\tx\ntwo\tx\nthree"\ty\n')
    assert Corpus.load(path).texts == ['"one', "two", 'three"']


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
def test_a_quoted_tsv_loses_its_quotes(tmp_path, quoting):
    texts = ["plain", 'he said "no"', "over\ntwo lines", "a\ttab", "a, comma", "", '"']
    with open(tmp_path / "t.tsv", "w", newline="") as file:
        csv.writer(file, delimiter="\t", quoting=quoting).writerows([["text", "n"], *([text, 1] for text in texts)])
    assert Corpus.load(tmp_path / "t.tsv").texts == texts


def test_a_tsv_of_quoted_cells_is_quoted_whatever_its_lines_look_like(tmp_path):
    rows = ['"a"\t"over\ntwo lines\twith a tab"', '"b"\t"over\ntwo more\twith another"']  # two cells in each line
    path = write(tmp_path / "t.tsv", "\n".join(rows))
    assert Corpus.load(path, text="2", heading=False).texts == [
        "over\ntwo lines\twith a tab",
        "over\ntwo more\twith another",
    ]


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_lines_that_end_as_on_old_macs(tmp_path, delimiter):
    path = write(
        tmp_path / f"t{'.csv' if delimiter == ',' else '.tsv'}", f"text{delimiter}label\ra{delimiter}x\rb{delimiter}y"
    )
    assert Corpus.load(path).texts == ["a", "b"]


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_spaces_around_a_label_are_no_part_of_it(tmp_path, ending):
    path = write_table(tmp_path / f"t{ending}", {"text": ["a", "b", "c"], "label": [" x", "x", "  "]})
    assert Corpus.load(path).labels == ["x", "x", None]


# Folders


def test_a_folder_of_topic_folders(tmp_path):
    write(tmp_path / "c" / "sport" / "2.txt", "two")
    write(tmp_path / "c" / "sport" / "1993" / "1", "one")
    write(tmp_path / "c" / "arts" / "1.txt", "\ufeffthree")
    write(tmp_path / "c" / "arts" / ".hidden", b"\xff")
    write(tmp_path / "c" / ".git" / "x", b"\xff")
    write(tmp_path / "c" / "README", "about")
    corpus = Corpus.load(tmp_path / "c")
    assert corpus.name == "c"
    assert corpus.ids == ["arts/1.txt", "sport/1993/1", "sport/2.txt"]
    assert corpus.texts == ["three", "one", "two"]
    assert corpus.labels == ["arts", "sport", "sport"]
    assert corpus.split is None
    assert corpus.notes == ("ignored 1 files that lie beside the folders of c: README",)


@pytest.mark.parametrize("names", [("train", "test"), ("20news-bydate-train", "20news-bydate-test")])
def test_a_folder_of_split_folders(tmp_path, names):
    write(tmp_path / names[0] / "arts" / "1", "one")
    write(tmp_path / names[0] / "sport" / "1", "two")
    write(tmp_path / names[1] / "arts" / "1", "three")
    corpus = Corpus.load(tmp_path)
    found = dict(zip(corpus.ids, zip(corpus.labels, corpus.split, corpus.texts, strict=True), strict=True))
    assert found == {
        f"{names[0]}/arts/1": ("arts", "train", "one"),
        f"{names[0]}/sport/1": ("sport", "train", "two"),
        f"{names[1]}/arts/1": ("arts", "test", "three"),
    }


def test_a_topic_called_train_beside_others_is_a_topic(tmp_path):
    for topic in ("train", "bus"):
        write(tmp_path / topic / "1.txt", topic)
    assert Corpus.load(tmp_path).labels == ["bus", "train"]


def test_splits_without_topics_and_flat_folders_have_no_labels(tmp_path):
    write(tmp_path / "s" / "train" / "1.txt", "one")
    write(tmp_path / "s" / "test" / "1.txt", "two")
    corpus = Corpus.load(tmp_path / "s")
    assert (corpus.labels, corpus.split) == (None, ["test", "train"])
    write(tmp_path / "s" / "train" / "arts" / "1.txt", "three")
    assert "topic folders in one split and none in another" in refusal(tmp_path / "s")
    write(tmp_path / "flat" / "1.txt", "one")
    (tmp_path / "flat" / "pictures").mkdir()
    assert Corpus.load(tmp_path / "flat").ids == ["1.txt"]


def test_a_folder_of_nothing_is_refused(tmp_path):
    assert f"the folder {tmp_path} holds no documents" in refusal(tmp_path)
    (tmp_path / "arts").mkdir()
    assert f"the folder {tmp_path} holds no documents" in refusal(tmp_path)
    write(tmp_path / "t.csv", "text\na\n")
    assert "neither topic folders, .txt files nor a corpus.jsonl" in refusal(tmp_path)
    assert f"the folder {tmp_path} has no columns to choose from: leave out label='x'" in refusal(tmp_path, label="x")


def test_encodings_of_files_in_a_folder_are_found_out_and_said(tmp_path):
    write(tmp_path / "arts" / "1.txt", "fine")
    write(tmp_path / "arts" / "2.txt", b"\xa35")
    write(tmp_path / "arts" / "3.txt", "wide".encode("utf-16"))
    path = write(tmp_path / "arts" / "4.txt", "фильм".encode("cp1251"))
    assert f"{path} is not utf-8 at byte 0 (0xf4)" in refusal(tmp_path)
    path.unlink()
    corpus = Corpus.load(tmp_path)
    assert corpus.texts == ["fine", "£5", "wide"]
    assert corpus.notes == ("read as Windows-1252: 2.txt (1 in all)", "read as UTF-16: 3.txt (1 in all)")
    assert "2.txt is not utf-8 at byte 0 (0xa3)" in refusal(tmp_path, encoding="utf-8")


# BEIR


def beir(folder, *, documents=None, queries=None, qrels="q1\td1\t2\nq1\td2\t0\nq2\td3\t0\n"):
    documents = documents or [
        {"_id": "d1", "title": "On wings", "text": "they lift"},
        {"_id": "d2", "title": "on drag", "text": "on drag it slows"},
        {"_id": "d3", "text": "", "title": ""},
    ]
    write_jsonl(folder / "corpus.jsonl", documents)
    write_jsonl(folder / "queries.jsonl", queries or [{"_id": f"q{i}", "text": f"what {i}"} for i in (1, 2, 3)])
    write(folder / "qrels" / "test.tsv", "query-id\tcorpus-id\tscore\n" + qrels)
    return folder


def test_the_beir_layout(tmp_path):
    corpus = Corpus.load(beir(tmp_path / "wings"))
    assert (corpus.name, corpus.ids) == ("wings", ["d1", "d2", "d3"])
    assert corpus.texts == ["On wings they lift", "on drag it slows", ""]
    assert corpus.queries == {"q1": "what 1"}
    assert corpus.relevance == {"q1": {"d1": 2, "d2": 0}}
    assert corpus.notes == ("left out 2 queries without a relevant document", "kept 1 without text")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"qrels": "q1\tx\t1\nz\td1\t1\n"},
            "relevant (left out 2 judgments of documents or queries that are not there)",
        ),
        ({"qrels": "q1\td1\t0\n"}, "judges no document relevant"),
        ({"qrels": ""}, "judges no document relevant"),
        ({"qrels": "q1\td1\t1\nq1 d1\n"}, "test.tsv line 3 is not a query, a document and a whole number"),
        ({"qrels": "q1\td1\t1\nq1\t\t1\n"}, "test.tsv line 3 is not a query, a document and a whole number"),
        ({"qrels": "q1\td1\t0.5\n"}, "test.tsv line 2 is not"),
        ({"qrels": "q1\td1\t1\nq1\td1\t1\nq1\td1\t2\n"}, "another score in line 4 (1 in all)"),
        (
            {"documents": [{"_id": "d1", "text": "a"}, {"_id": "d1", "text": "b"}]},
            "same document id more than once: d1",
        ),
        ({"documents": [{"_id": "d1", "text": "a"}, {"text": "b"}]}, "corpus.jsonl has no _id"),
        ({"documents": [{"_id": "d1", "text": None, "title": "t"}]}, "corpus.jsonl has a document that is null"),
        ({"queries": [{"_id": "q1", "text": "a"}, {"_id": "q1", "text": "b"}]}, "same query id more than once: q1"),
        ({"queries": [{"_id": "q1", "query": "a"}]}, "queries.jsonl has a query that is null or not a string in row 1"),
    ],
)
def test_a_broken_beir_folder_is_refused(tmp_path, change, said):
    assert said in refusal(beir(tmp_path, **change))


def test_beir_files_that_are_missing_or_have_another_name(tmp_path):
    folder = beir(tmp_path)
    (folder / "qrels" / "test.tsv").rename(folder / "qrels" / "dev.tsv")
    assert Corpus.load(folder).queries == {"q1": "what 1"}
    assert "the judgments are those of dev.tsv" in Corpus.load(folder).notes
    write(folder / "qrels" / "train.tsv", "q2\td2\t1\n")
    assert Corpus.load(folder).queries == {"q1": "what 1"}  # as a split valid serves as the test where there is none
    (folder / "qrels" / "dev.tsv").rename(folder / "qrels" / "other.tsv")
    assert "holds other.tsv, train.tsv: add the judgments to use as test.tsv" in refusal(folder)
    (folder / "queries.jsonl").unlink()
    assert "has a corpus.jsonl but no queries.jsonl" in refusal(folder)
    assert Corpus.load(folder / "corpus.jsonl").ids == ["d1", "d2", "d3"]


@pytest.mark.parametrize(
    "lines",
    [
        ["q1\td1\t2", "q1\td2\t0"],
        ["q1 0 d1 2", "q1 0 d2 0"],
        ["q1\tQ0\td1\t2", "q1\tQ0\td2\t0"],
        ["query_id\titeration\tdoc_id\trelevance", "q1\t0\td1\t2", "q1\t0\td2\t0"],
        ["q1 d1 2.0", "", "q1  d2  0"],
    ],
)
@pytest.mark.parametrize("name", ["qrels/test.tsv", "qrels/test.txt", "qrels.txt", "qrels/test.qrels"])
def test_judgments_without_a_heading_and_in_trecs_form(tmp_path, lines, name):
    folder = beir(tmp_path)
    (folder / "qrels" / "test.tsv").unlink()
    if "/" not in name:
        (folder / "qrels").rmdir()
    write(folder / name, "\r\n".join(lines))
    assert Corpus.load(folder).relevance == {"q1": {"d1": 2, "d2": 0}}


def test_judgments_that_name_what_is_missing_are_left_out_and_counted(tmp_path):
    corpus = Corpus.load(beir(tmp_path, qrels="q1\td1\t2\nq1\tgone\t1\nq9\td1\t1\nq2\tgone\t1\n"))
    assert corpus.relevance == {"q1": {"d1": 2}}
    assert corpus.notes[:2] == (
        "left out 3 judgments of documents or queries that are not there",
        "left out 2 queries without a relevant document",
    )


def test_reading_warns_of_nothing(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for ending in (".csv", ".jsonl", ".parquet"):
            Corpus.load(write_table(tmp_path / f"t{ending}", {"text": ["a"], "label": [1.5]}))
        Corpus.load(beir(tmp_path / "b")).sample(2)


def test_file_names_that_are_not_utf8_become_ids_and_topics_that_can_be_stored(tmp_path):
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    for topic, name in ((b"caf\xe9", b"\xff.txt"), (b"caf\xe8", b"\xff.txt")):
        os.makedirs(folder + b"/" + topic)
        with open(folder + b"/" + topic + b"/" + name, "w") as file:
            file.write(f"text of {topic!r}")
    corpus = Corpus.load(os.fsdecode(folder))
    assert (corpus.name, corpus.topics) == (r"caf\xe9", [r"caf\xe8", r"caf\xe9"])
    assert corpus.ids == [r"caf\xe8/\xff.txt", r"caf\xe9/\xff.txt"]
    for field in (corpus.name, *corpus.ids, *corpus.labels):
        field.encode()  # which a lone surrogate could not


def test_what_a_system_leaves_in_a_folder_is_no_topic_and_no_document(tmp_path):
    write(tmp_path / "arts" / "1.txt", "one")
    write(tmp_path / "arts" / "Thumbs.db", b"\xff")
    write(tmp_path / "__MACOSX" / "arts" / "._1.txt", b"\xff")
    write(tmp_path / "__MACOSX" / "arts" / "1.txt", b"\xff")
    (tmp_path / "lost+found").mkdir(mode=0)
    assert Corpus.load(tmp_path).ids == ["arts/1.txt"]
