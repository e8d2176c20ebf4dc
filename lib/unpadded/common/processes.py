"""What our processes have in common: they wait without spinning for long, share the cores, and end with their parent."""

import ctypes
import os
import signal
import sys

ENVIRONMENT = {
    # Threads that wait for each other spin for a few milliseconds and then sleep. libgomp's own patience is
    # longer: alone on a machine that is up to a tenth faster, but where another process wants a core, an LSTM's many short
    # steps then run several times slower.
    "GOMP_SPINCOUNT": "100000",
}
KERNEL_ENVIRONMENT = ENVIRONMENT | {
    # Warnings that libraries address to developers name paths of this machine; keep them out of notebooks.
    "PYTHONWARNINGS": "ignore:IProgress not found,ignore::DeprecationWarning,ignore::FutureWarning",
}


def set_defaults(environment: dict[str, str]) -> None:
    """Set those variables of this process that its user has not set; has to come before torch is imported."""
    for name, value in environment.items():
        os.environ.setdefault(name, value)


def die_with_parent() -> None:
    """On Linux, have the kernel kill this process when its parent dies, even by kill -9; elsewhere do nothing.

    A run that was killed must not leave processes behind that go on writing into the same folder.
    """
    if _LIBC is not None:
        _LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


# Loaded here, because between fork and exec nothing may be imported.
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def n_cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def thread_settings(sharing: int) -> dict[str, str]:
    """Environment for one of `sharing` notebooks on this machine: an equal share of its cores, at least one thread.

    Empty for a notebook that has the machine for itself, and where the user has set OMP_NUM_THREADS. Results do not
    depend on it but for the order in which sums are rounded.
    """
    if sharing < 2 or "OMP_NUM_THREADS" in os.environ:
        return {}
    threads = str(max(1, n_cores() // sharing))
    return {"OMP_NUM_THREADS": threads, "LOKY_MAX_CPU_COUNT": threads}  # torch and BLAS; joblib
