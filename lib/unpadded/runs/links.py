"""One result, many folders: what a stage left in its own folder, linked into those of the stages and runs that need it."""

import os
from collections.abc import Collection
from pathlib import Path
from uuid import uuid4

SHARED = ("figures", "logs", "scores", "stages", "tests")  # folders to which every stage adds files of its own


def link_results(source: Path, target: Path) -> None:
    """Link what a stage itself left in `source` into `target`, whose other content stays.

    Links are relative, so that the folder around both can be moved. A link that is there and leads elsewhere is replaced.
    """
    for path in source.iterdir():
        if path.name in SHARED:
            for part in path.iterdir():
                _link(part, target / path.name / part.name)
        else:
            _link(path, target / path.name)


def drop_links(target: Path, *, but: Collection[Path]) -> None:
    """Remove the links of `target` that lead elsewhere than into the folders `but`: what earlier parameters left."""
    for link in [*target.glob("*"), *(link for name in SHARED for link in (target / name).glob("*"))]:
        if link.is_symlink() and not any(folder in (link.parent / link.readlink()).resolve().parents for folder in but):
            link.unlink()


def _link(path: Path, link: Path) -> None:
    """Links in the source (results of stages before it) and hidden files (locks, torn files) are not its results."""
    aim = os.path.relpath(path, link.parent)
    if path.is_symlink() or path.name.startswith(".") or (link.is_symlink() and os.readlink(link) == aim):
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    temporary = link.with_name(f".{uuid4().hex}.tmp")
    temporary.symlink_to(aim)
    os.replace(temporary, link)
