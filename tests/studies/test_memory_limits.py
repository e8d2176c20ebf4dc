"""Memory is measured in processes of their own, and one that is given too little really dies."""

import pytest

from encoder_tools import as_corpus, random_documents
from unpadded.common.errors import InputError
from unpadded.studies.speed import memory as memory_limits
from unpadded.studies.speed import workload
from unpadded.studies.speed.memory import LIMITED, MIB, MemoryJob, measure_memory
from unpadded.studies.speed.throughput import model_of_shape
from unpadded.studies.speed.workload import Workload

pytestmark = pytest.mark.slow

VOCABULARY = [f"t{i}" for i in range(50)]
LONGEST, MANY = 3_000, 300
SIZES = (2, 8, 256, MANY)
LIMIT = 128  # MiB; the states of 256 documents of 3,000 tokens are 188 MiB, those of 8 are 6


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("memory")
    model_of_shape("64/64/1", VOCABULARY).save(root / "model")
    as_corpus(random_documents([LONGEST] + [20] * (MANY - 1))).save(root / "documents")
    return {"model": str(root / "model"), "documents": str(root / "documents")}


@pytest.fixture(scope="module")
def limited(folders):
    jobs = [
        MemoryJob(**folders, method=method, sizes=SIZES, one_batch=True, limit_mib=LIMIT)
        for method in ("naive padded", "unpadded")
    ]
    return measure_memory(jobs).set_index(["method", "batch_size"])


@pytest.mark.skipif(not LIMITED, reason="only Linux holds a process to a limit")
def test_the_naive_batch_dies_of_the_limit_and_is_reported(limited):
    naive = limited.loc["naive padded"]
    assert naive.outcome.to_dict() == {2: "finished", 8: "finished", 256: "out of memory", MANY: "not tried"}
    assert "allocate" in naive.message[256]
    assert naive.message[[2, 8, MANY]].eq("").all()
    assert naive.peak_mib[[256, MANY]].isna().all()


@pytest.mark.skipif(not LIMITED, reason="only Linux holds a process to a limit")
def test_the_encoder_passes_under_the_same_limit(limited):
    ours = limited.loc["unpadded"]
    assert ours.outcome.eq("finished").all()
    assert ours.peak_mib.max() < LIMIT
    assert ours.documents.tolist() == list(SIZES)
    assert ours.tokens[MANY] == LONGEST + 20 * (MANY - 1)
    assert ours.longest.eq(LONGEST).all()


def test_a_padded_batch_holds_every_state_and_the_encoder_does_not(folders):
    jobs = [
        MemoryJob(**folders, method=method, sizes=(64,), places=tuple(range(64)))
        for method in ("naive padded", "unpadded")
    ]
    naive, ours = measure_memory(jobs).itertuples()
    states = 64 * LONGEST * 64 * 4 / MIB
    assert naive.peak_mib > states > ours.peak_mib > 0
    assert naive.documents == ours.documents == 64
    assert naive.cpu_seconds > 0


def test_memory_grows_with_documents_and_with_the_longest_as_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(workload, "METHODS", ("loop", "unpadded"))  # a process for each is what takes the time
    work = Workload(model_of_shape("16/16/1", VOCABULARY), n_tokens=10**6, longest=30, sizes=[4])
    grown = work.growth(as_corpus(random_documents([30] * 80)), n_documents=[70], longest=[200], folder=tmp_path)
    assert grown.growing.tolist() == ["documents", "longest"]
    assert grown.documents.tolist() == [70, 64]
    assert grown.longest.tolist() == [30, 200]
    assert grown.returned_mib.tolist() == pytest.approx((grown.documents * 3 * 16 * 4 / MIB).tolist())
    assert (grown.micros > 0).all()


@pytest.mark.skipif(not LIMITED, reason="only Linux holds a process to a limit")
def test_a_small_machine_is_tried_with_twice_as_many_documents_each_time(tmp_path, monkeypatch):
    monkeypatch.setattr(workload, "METHODS", ("loop", "unpadded"))
    work = Workload(model_of_shape("16/16/1", VOCABULARY), n_tokens=100, longest=30, sizes=[4])
    corpora = {"one": as_corpus(random_documents([30] * 5))}
    found = work.small_machine(corpora, folder=tmp_path, limit_mib=LIMIT)
    assert found[["corpus", "method"]].drop_duplicates().to_numpy().tolist() == [["one", "unpadded"]]
    assert found.batch_size.tolist() == [1, 2, 4, 5]
    assert found.limit_mib.eq(LIMIT).all()
    assert work.small_machine(corpora, folder=tmp_path, limit_mib=0).empty


def test_a_process_that_cannot_start_says_why(folders, tmp_path):
    job = MemoryJob(str(tmp_path / "nowhere"), folders["documents"], "unpadded", (1,))
    with pytest.raises(RuntimeError, match=r"did not start.*no language model"):
        measure_memory([job])


def test_a_limit_is_refused_where_the_system_does_not_hold_to_it(folders, monkeypatch):
    monkeypatch.setattr(memory_limits, "LIMITED", False)
    with pytest.raises(InputError, match="only Linux"):
        measure_memory([MemoryJob(**folders, method="unpadded", sizes=(1,), limit_mib=10)])


def test_the_environment_is_clean(monkeypatch):
    monkeypatch.setenv("LD_PRELOAD", "/nowhere.so")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    environment = memory_limits._clean_environment()
    assert "LD_PRELOAD" not in environment
    assert environment["OMP_NUM_THREADS"] == "1"
