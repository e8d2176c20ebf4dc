"""What our processes have in common: they do not spin for long, and they do not outlive the one that started them."""

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
    # Notes of libraries to their developers, with paths of this machine in them, do not belong into a notebook.
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
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
