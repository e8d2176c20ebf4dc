"""Folders that are either whole or not there, and arrays read from files."""

import gc
import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from unpadded.common.files import atomic_folder, mapped_array


def files(folder) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def stopped_halfway(place) -> None:
    with atomic_folder(place) as temporary:
        (temporary / "b").write_text("2")
        raise KeyboardInterrupt


def test_a_folder_takes_its_name_once_it_is_whole(tmp_path):
    place = tmp_path / "new" / "place"
    with atomic_folder(place) as temporary:
        (temporary / "a").write_text("1")
        assert not place.exists()
        assert temporary.parent == place.parent
    assert files(place) == {"a": "1"}
    assert [path.name for path in place.parent.iterdir()] == ["place"]


def test_a_folder_is_replaced_whole(tmp_path):
    for name in ("a", "b"):
        with atomic_folder(tmp_path / "place") as temporary:
            (temporary / name).write_text(name)
    assert files(tmp_path / "place") == {"b": "b"}


def test_an_error_leaves_what_was_there(tmp_path):
    with atomic_folder(tmp_path / "place") as temporary:
        (temporary / "a").write_text("1")
    with pytest.raises(KeyboardInterrupt):
        stopped_halfway(tmp_path / "place")
    assert files(tmp_path / "place") == {"a": "1"}
    assert [path.name for path in tmp_path.iterdir()] == ["place"]


def test_a_folder_may_be_read_by_whom_the_umask_lets(tmp_path):
    before = os.umask(0o027)
    try:
        with atomic_folder(tmp_path / "place"):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "place").stat().st_mode & 0o777 == 0o750


def test_threads_may_map_an_array_at_once(tmp_path):
    """Without the lock Python 3.11 ends this in a SystemError: a collection within its parser lets other threads parse."""
    np.save(tmp_path / "a.npy", np.arange(12.0))
    before, threads_turn = gc.get_threshold(), lambda *_: time.sleep(1e-5)
    gc.callbacks.append(threads_turn)
    gc.set_threshold(5)
    try:
        with ThreadPoolExecutor(8) as pool:
            arrays = list(pool.map(mapped_array, [tmp_path / "a.npy"] * 400))
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(threads_turn)
    assert all(np.array_equal(array, np.arange(12.0)) and not array.flags.writeable for array in arrays)
