"""The questions of notebooks 02 to 05, 10 and certify: a first look, padding, speed, what the last state keeps, batches."""

from typing import TYPE_CHECKING

from unpadded.common.lazy import hand_on

if TYPE_CHECKING:
    from unpadded.studies.batches.encoders import everybodys_encoders
    from unpadded.studies.batches.onnx_lstm import OnnxLSTM, OpenVinoLSTM
    from unpadded.studies.first_look import beside_the_loop, few_documents, states_of, worth_showing
    from unpadded.studies.last_state.probes import fade, locate, perturb, remembered, topic_probe
    from unpadded.studies.last_state.samples import draw_sample, unread_documents
    from unpadded.studies.last_state.tables import everywhere, last_layer, with_intervals
    from unpadded.studies.padding.effects import UNPADDED, choose_documents, neighbours_kept
    from unpadded.studies.padding.fastai_batches import (
        cells_read,
        chunk_batch,
        chunk_faults,
        fault_counts,
        measure_batches,
        sorted_batches,
        wrong_vectors,
    )
    from unpadded.studies.padding.pad_row import pad_row, row_norms
    from unpadded.studies.padding.padded_reader import (
        PLACEMENTS,
        READINGS,
        PaddedReader,
        batch_pads,
        read_padded,
        shuffled_batches,
    )
    from unpadded.studies.padding.pairs import FastaiBatches, for_each, pairs_of, predictions_of
    from unpadded.studies.padding.predictions import measure_predictions
    from unpadded.studies.padding.study import (
        injection_effects,
        study_padding,
        text_budget,
        trained_with_pads,
        zeroed_row_effects,
    )
    from unpadded.studies.speed.memory import LIMITED, MemoryJob, measure_memory, prepared
    from unpadded.studies.speed.peers import PEERS, loop
    from unpadded.studies.speed.precision import precision_price
    from unpadded.studies.speed.throughput import (
        METHODS,
        SIDE,
        WRONG,
        draw_documents,
        model_of_shape,
        product_rate,
        shape_of,
        speed_table,
        spread_sample,
        work_of_token,
    )
    from unpadded.studies.speed.workload import Workload
    from unpadded.studies.teaching import found_by_pieces, from_each_start, taught_by_pooling

__getattr__, __dir__, __all__ = hand_on(__name__)
