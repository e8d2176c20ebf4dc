"""The ground floor: errors, atomic files, locks, processes, names, wording, nearest neighbours by blocks, a Dask client."""

from typing import TYPE_CHECKING

from unpadded.common.lazy import hand_on

if TYPE_CHECKING:
    from unpadded.common.dask_client import local_client, scheduler_client
    from unpadded.common.errors import InputError
    from unpadded.common.extras import MissingExtraError, extras_needed
    from unpadded.common.files import (
        DISK_IS_FULL,
        atomic_folder,
        atomic_write,
        check_folder,
        is_clutter,
        mapped_array,
        read_json,
        sha256_of,
        write_json,
        write_table,
    )
    from unpadded.common.locks import LOCK, locked, notebook_slot
    from unpadded.common.names import (
        CONCAT,
        FROM_STATES,
        NO_LABEL,
        OF_MODEL,
        PARAMETER,
        PARTS,
        POOLINGS,
        POSTPROCESSES,
        SEARCHED_BY,
        STUDIED,
        SWEEP_SUMMARY,
        VERDICTS,
    )
    from unpadded.common.nearest import Scorer, cosine_scorer, first_documents, nearest_rows, reciprocal_places
    from unpadded.common.processes import (
        ENVIRONMENT,
        KERNEL_ENVIRONMENT,
        die_with_parent,
        n_cores,
        set_defaults,
        thread_settings,
    )
    from unpadded.common.threads import MAKING, READING_HEADERS, computed, fork_safe_lock, iterated
    from unpadded.common.wording import (
        closest,
        comma_list,
        did_you_mean,
        first_line,
        in_short,
        listed,
        with_type,
    )

__getattr__, __dir__, __all__ = hand_on(__name__)
