"""What people look at: plots, maps, pages."""

from typing import TYPE_CHECKING

from unpadded.common.lazy import hand_on

if TYPE_CHECKING:
    from unpadded.report.comparison import (
        HEADLINE_METRICS,
        best_of_each,
        best_runs,
        is_sweep,
        leaderboard,
        read_runs,
        stage_minutes,
        with_links,
    )
    from unpadded.report.figures import keep, lead_picture
    from unpadded.report.findings.last_state import find_faded, find_moved, find_nearest, find_topics
    from unpadded.report.findings.padding import PaddingFound, find_padded
    from unpadded.report.findings.scores import (
        Finding,
        Findings,
        find_classes,
        find_clusters,
        find_ranked,
        split_said,
    )
    from unpadded.report.findings.speed import SpeedFound
    from unpadded.report.goals import goals_markdown, worth_markdown
    from unpadded.report.maps.density import density_contours
    from unpadded.report.maps.picture import umap_maps
    from unpadded.report.maps.regions import region_names, topic_names
    from unpadded.report.maps.tables import (
        cut,
        limits_without_outliers,
        load_map,
        map_path,
        map_table,
        poolings_of,
        save_map,
        title_and_beginning,
    )
    from unpadded.report.maps.topics import topic_colours
    from unpadded.report.maps.umap_maps import (
        map_coordinates,
        sample_documents,
        umap_coordinates,
    )
    from unpadded.report.notebooks import code_of, prose_of, refresh_text, write_page
    from unpadded.report.own_models import best_of_kinds, own_models_markdown, paired_tests_of, scores_of
    from unpadded.report.plots.effects import effect_panels
    from unpadded.report.plots.last_state import fade_lines, part_lines, probe_bars
    from unpadded.report.plots.padding import changed_bars, chunk_grid, cosine_lines, injection_lines, pad_row_panels
    from unpadded.report.plots.padding_panels import setting_dots, zeroed_lines
    from unpadded.report.plots.palette import POOLING_COLOURS
    from unpadded.report.plots.scores import (
        choice_bars,
        confusion_map,
        geometry_panel,
        learning_curves,
        loss_curve,
        method_names,
        postprocess_lines,
        score_bars,
        tuning_curve,
    )
    from unpadded.report.plots.speed import growth_panels, precision_panel, small_machine, speed_and_memory
    from unpadded.report.plots.states import state_map
    from unpadded.report.plots.style import save_figure
    from unpadded.report.plots.training import perplexity_curves, recipe_points
    from unpadded.report.run_page import EXECUTED, write_index, write_report
    from unpadded.report.sweep_page import write_sweep_index, write_sweep_report

__getattr__, __dir__, __all__ = hand_on(__name__)
