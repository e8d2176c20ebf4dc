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

HEADING = ["query-id", "corpus-id", "score"]


def is_beir(path: Path) -> bool:
    """Whether the folder holds a corpus.jsonl or corpus.jsonl.gz."""
    return _find(path, "corpus.jsonl") is not None


def read_beir(path: Path, *, encoding: str | None = None) -> Documents:
    """Read a BEIR folder. A document is its title and its text, unless the text begins with the title.

    Only queries with a document of grade above 0 are kept, for no measure is defined on the others; the notes count
    what was left out. Raises `InputError`, for judgments of unknown documents or queries too.
    """
    corpus_file, queries_file = (_need(path, name) for name in ("corpus.jsonl", "queries.jsonl"))
    documents = read_jsonl(corpus_file, encoding=encoding)
    ids = _ids(documents, corpus_file, "document id")
    texts = [_document(row) for row in documents]
    check_texts(texts, str(corpus_file), "document")
    queries = _queries(queries_file, encoding)
    qrels = _qrels_file(path)
    relevance = _read_qrels(qrels, encoding)
    # Judgments are checked against all queries, before those without any are left out.
    whole = Documents(readable(path.resolve().name), ids, texts, queries=queries, relevance=relevance, where=str(qrels))
    relevant = {query: grades for query, grades in relevance.items() if any(grade > 0 for grade in grades.values())}
    if not relevant:
        raise InputError(f"{qrels} judges no document relevant: give at least one score above 0")
    dropped = len(queries) - len(relevant)
    notes = (f"left out {dropped} queries without a relevant document",) if dropped else ()
    queries = {query: text for query, text in queries.items() if query in relevant}
    return Documents(whole.name, ids, texts, queries=queries, relevance=relevant, notes=notes)


def _find(path: Path, name: str) -> Path | None:
    return next((file for file in (path / name, path / f"{name}.gz") if file.is_file()), None)


def _need(path: Path, name: str) -> Path:
    file = _find(path, name)
    if file is None:
        raise InputError(f"the folder {path} has a corpus.jsonl but no {name}: add it, or give the corpus.jsonl itself")
    return file


def _qrels_file(path: Path) -> Path:
    """qrels/test.tsv, or the only other table there."""
    folder = path / "qrels"
    tables = sorted(folder.glob("*.tsv")) if folder.is_dir() else []
    test = [table for table in tables if table.name == "test.tsv"] or tables
    if len(test) != 1:
        found = ", ".join(table.name for table in tables) or "no table"
        raise InputError(f"the folder {folder} holds {found}: add the judgments to use as test.tsv")
    return test[0]


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


def _queries(file: Path, encoding: str | None) -> dict[str, str]:
    rows = read_jsonl(file, encoding=encoding)
    ids = _ids(rows, file, "query id")
    texts = [row.get("text") for row in rows]
    check_texts(texts, str(file), "query")
    return dict(zip(ids, texts, strict=True))


def _read_qrels(file: Path, encoding: str | None) -> dict[str, dict[str, int]]:
    lines = read_text(file, encoding=encoding).replace("\r\n", "\n").split("\n")
    if lines[0].split("\t") != HEADING:
        raise InputError(f"{file} line 1 is not the heading {' '.join(HEADING)}: begin with it, separated by tabs")
    relevance: dict[str, dict[str, int]] = {}
    clashes = []
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        try:
            query, document, score = line.split("\t")
            grade = int(score)
        except ValueError as error:
            raise InputError(f"{file} line {number} is not a query, a document and a whole number: mend it") from error
        if relevance.setdefault(query, {}).setdefault(document, grade) != grade:
            clashes.append(number)
    if clashes:
        raise InputError(f"{file} judges a pair again with another score in line {listing(clashes)}: keep one of them")
    return relevance
