"""The layout of the BEIR benchmark: corpus.jsonl, queries.jsonl and qrels/test.tsv in one folder.

Thakur et al., *BEIR: A Heterogeneous Benchmark for Zero-shot Evaluation of Information Retrieval Models*, 2021.
"""

from pathlib import Path
from typing import Any

from unpadded.common import InputError
from unpadded.corpus.documents import Documents
from unpadded.corpus.readers.decoding import read_text, readable
from unpadded.corpus.readers.tabular import read_jsonl
from unpadded.corpus.validation import as_name, check_complete, check_texts, check_unique, listing

ENDINGS = (".tsv", ".txt", ".qrels", ".trec")  # of a table of judgments, with or without .gz
TESTED = ("test", "dev", "valid", "validation", "val")  # which of several tables is used: the first that is there


def is_beir(path: Path) -> bool:
    """Whether the folder holds a corpus.jsonl or corpus.jsonl.gz."""
    return _find(path, "corpus.jsonl") is not None


def read_beir_columns(path: Path, *, encoding: str | None = None) -> tuple[list[str], dict[str, list[Any]]]:
    """The ids of a BEIR folder's documents, and the values of every key beside id, title and text; what BEIR keeps under
    "metadata" is a column each."""
    rows = read_jsonl(_need(path, "corpus.jsonl"), encoding=encoding, notes=[])
    known = {"_id", "title", "text", "metadata"}
    inner = [row["metadata"] if isinstance(row.get("metadata"), dict) else {} for row in rows]
    joined = [
        meta | {key: value for key, value in row.items() if key not in known}
        for meta, row in zip(inner, rows, strict=True)
    ]
    names = dict.fromkeys(name for row in joined for name in row)
    return _ids(rows, path, "document id"), {name: [row.get(name) for row in joined] for name in names}


def read_beir(path: Path, *, encoding: str | None = None) -> Documents:
    """Read a BEIR folder. A document is its title and its text, unless the text begins with the title.

    Judgments of documents and queries that the folder has not are left out, as the field's tools do, and so are queries
    without a document of grade above 0, for no measure is defined on them; the notes count both. Raises `InputError`.
    """
    corpus_file, queries_file = (_need(path, name) for name in ("corpus.jsonl", "queries.jsonl"))
    notes: list[str] = []
    documents = read_jsonl(corpus_file, encoding=encoding, notes=notes)
    ids = _ids(documents, corpus_file, "document id")
    texts = [_document(row) for row in documents]
    check_texts(texts, str(corpus_file), "document")
    queries = _queries(queries_file, encoding, notes)
    qrels = _qrels_file(path)
    relevance, missing = _known(_read_qrels(qrels, encoding), ids, queries)
    left_out = f"left out {missing} judgments of documents or queries that are not there"
    notes += [left_out] if missing else []
    relevant = {query: grades for query, grades in relevance.items() if any(grade > 0 for grade in grades.values())}
    if not relevant:
        why = f" ({left_out})" if missing else ""
        raise InputError(f"{qrels} judges no document relevant{why}: give at least one score above 0")
    dropped = len(queries) - len(relevant)
    if dropped:
        notes.append(f"left out {dropped} queries without a relevant document")
    if qrels.name.split(".")[0] not in ("test", "qrels"):
        notes.append(f"the judgments are those of {qrels.name}")
    queries = {query: text for query, text in queries.items() if query in relevant}
    name = readable(path.resolve().name)
    return Documents(
        name, ids, texts, queries=queries, relevance=relevant, notes=tuple(map(readable, notes)), where=str(path)
    )


def _find(path: Path, name: str) -> Path | None:
    return next((file for file in (path / name, path / f"{name}.gz") if file.is_file()), None)


def _need(path: Path, name: str) -> Path:
    file = _find(path, name)
    if file is None:
        raise InputError(f"the folder {path} has a corpus.jsonl but no {name}: add it, or give the corpus.jsonl itself")
    return file


def _qrels_file(path: Path) -> Path:
    """The judgments to use: in the folder qrels those of the test, or else of the validation, or the only ones there;
    without that folder the file qrels.tsv or qrels.txt."""
    folder = path / "qrels"
    places = sorted(folder.iterdir()) if folder.is_dir() else sorted(path.glob("qrels.*"))
    tables = [file for file in places if file.is_file() and file.name.lower().removesuffix(".gz").endswith(ENDINGS)]
    if len(tables) == 1:
        return tables[0]
    for part in TESTED:
        named = [table for table in tables if table.name.split(".")[0].lower() == part]
        if len(named) == 1:
            return named[0]
    found = ", ".join(readable(table.name) for table in tables) or "no table of judgments"
    raise InputError(f"the folder {folder} holds {found}: add the judgments to use as test.tsv")


def _ids(rows: list[dict[str, Any]], file: Path, kind: str) -> list[str]:
    if not rows:
        raise InputError(f"{file} holds no {'documents' if kind == 'document id' else 'queries'}: give at least one")
    ids = [as_name(row.get("_id")) for row in rows]
    check_complete(ids, str(file), "_id")
    check_unique(ids, str(file), kind)
    return ids


def _document(row: dict[str, Any]) -> Any:
    title, text = row.get("title"), row.get("text")
    if not isinstance(text, str) or not isinstance(title, str) or text.startswith(title):
        return text
    return f"{title} {text}" if text else title


def _queries(file: Path, encoding: str | None, notes: list[str]) -> dict[str, str]:
    rows = read_jsonl(file, encoding=encoding, notes=notes)
    ids = _ids(rows, file, "query id")
    texts = [row.get("text") for row in rows]
    check_texts(texts, str(file), "query")
    return dict(zip(ids, texts, strict=True))


def _read_qrels(file: Path, encoding: str | None) -> dict[str, dict[str, int]]:
    """Query -> document -> grade: three columns, or TREC's four, whose second says nothing; a heading may be there."""
    lines = read_text(file, encoding=encoding).replace("\r\n", "\n").split("\n")
    relevance: dict[str, dict[str, int]] = {}
    clashes = []
    for number, line in enumerate(lines, start=1):
        cells = [cell.strip() for cell in line.split("\t")] if "\t" in line else line.split()
        if not line.strip() or (number == 1 and len(cells) in (3, 4) and not _is_number(cells[-1])):
            continue
        grade = _grade(cells)
        if grade is None:
            raise InputError(
                f"{file} line {number} is not a query, a document and a whole number (or TREC's four columns: a query, "
                "a number, a document, a whole number), separated by tabs or spaces: mend it"
            )
        if relevance.setdefault(cells[0], {}).setdefault(cells[-2], grade) != grade:
            clashes.append(number)
    if clashes:
        raise InputError(f"{file} judges a pair again with another score in line {listing(clashes)}: keep one of them")
    return relevance


def _is_number(cell: str) -> bool:
    try:
        return float(cell) == float(cell)  # not NaN
    except ValueError:
        return False


def _grade(cells: list[str]) -> int | None:
    """The whole number that the last of three or four cells is, also written as 1.0; None where it is none."""
    if len(cells) not in (3, 4) or not all(cells) or not _is_number(cells[-1]):
        return None
    grade = float(cells[-1])
    return int(grade) if grade.is_integer() else None


def _known(
    relevance: dict[str, dict[str, int]], ids: list[str], queries: dict[str, str]
) -> tuple[dict[str, dict[str, int]], int]:
    """The judgments of documents and queries that are there, and how many the others are."""
    there = set(ids)
    kept = {
        query: {document: grade for document, grade in grades.items() if document in there}
        for query, grades in relevance.items()
        if query in queries
    }
    missing = sum(map(len, relevance.values())) - sum(map(len, kept.values()))
    return {query: grades for query, grades in kept.items() if grades}, missing
