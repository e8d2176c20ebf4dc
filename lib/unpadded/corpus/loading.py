"""What a person names as a source: a named dataset, a file or a folder."""

import os
import textwrap
from pathlib import Path

from unpadded.common import InputError, did_you_mean
from unpadded.corpus.datasets import registry
from unpadded.corpus.documents import Documents
from unpadded.corpus.readers.beir import is_beir
from unpadded.corpus.readers.read import Reading, read, refuse_columns, without_labels


def check_outside(source: str | os.PathLike, output: Path) -> None:
    """Raise `InputError` where `output` lies in the folder of documents `source`: they would be documents the next time."""
    folder, inner = Path(os.path.expanduser(source)), output.resolve()
    within = bool(source) and folder.is_dir() and folder.resolve() in (inner, *inner.parents)
    if within and not is_beir(folder):
        raise InputError(
            f"the output {output} lies in the folder {folder}, whose files are the documents: give another --output"
        )


def load_documents(source: str | os.PathLike, *, columns: dict[str, str | None], reading: Reading) -> Documents:
    """The documents of a path, or else of a dataset's name; `columns` maps text, label, id, split to column names.

    Raises `InputError` for what is neither, and for anything wrong with the content.
    """
    path = os.path.expanduser(source)
    if path and os.path.exists(path):
        return read(Path(path), columns=columns, reading=reading)
    if source in registry.NAMES:
        refuse_columns(columns, f"the named dataset {source!r}", reading)
        return without_labels(registry.load(str(source)), columns)
    raise InputError(
        f"{textwrap.shorten(path, 200)!r} is neither a file or folder that exists nor a named dataset"
        f"{did_you_mean(path, registry.NAMES)}: give a path or one of {', '.join(sorted(registry.NAMES))}"
    )
