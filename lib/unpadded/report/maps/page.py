"""The map to point at: one page with its own copy of Vega, so that it opens without a network."""

from __future__ import annotations

import warnings
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.colors import to_hex

from unpadded.common import read_json
from unpadded.report.maps.tables import limits_without_outliers, load_map, map_path, poolings_of
from unpadded.report.maps.umap_maps import sample_documents, topic_colours
from unpadded.report.rendering import write_html

MOST = 2000  # points: with four maps this is what a phone still draws at once


def write_map_page(folder: Path) -> Path | None:
    """Write `map.html` for a run's folder and return its path; None where the run has left no map."""
    name = read_json(folder / "run.json").get("corpus", "") if (folder / "run.json").exists() else ""
    found = map_path(folder, name) if map_path(folder, name).exists() else None
    found = found or next(iter(sorted((folder / "maps").glob("*.parquet"))), None)
    if found is None:
        return None
    points = load_map(found)
    shown = points.iloc[sample_documents(len(points), n_sample=MOST)]
    return write_html(
        folder / "map.html",
        "map.html",
        title=f"Unpadded: map of {found.stem}",
        corpus=found.stem,
        n_documents=len(shown),
        chart=hover_chart(shown),
        vega=_vega(),
    )


def hover_chart(points: pd.DataFrame) -> dict:
    """Vega-Lite of a map table (`map_table`): a panel a pooling, the document pointed at large in all of them."""
    import altair as alt  # imported late: it takes a second, and only this page needs it

    pointed = alt.selection_point(name="pointed", on="pointerover", fields=["row"], empty=False, clear="pointerout")
    chosen = alt.selection_point(name="chosen", fields=["topic"], bind="legend")
    shared = {
        "color": _colour(alt, points),
        "opacity": alt.when(pointed).then(alt.value(1)).when(chosen).then(alt.value(0.65)).otherwise(alt.value(0.06)),
        "size": alt.when(pointed).then(alt.value(220)).otherwise(alt.value(14)),
        "tooltip": [alt.Tooltip(f"{name}:N") for name in ("title", "beginning", "topic")] + [alt.Tooltip("tokens:Q")],
    }
    data = alt.InlineData(values=_records(points), name="documents")
    panels = []
    for pooling in poolings_of(points):
        x, y = (
            channel(f"{pooling}_{name}:Q", axis=None, scale=alt.Scale(domain=_domain(points[f"{pooling}_{name}"])))
            for name, channel in (("x", alt.X), ("y", alt.Y))
        )
        chart = alt.Chart(title=alt.Title(pooling, anchor="start")).mark_circle(clip=True)
        panels.append(chart.encode(x, y, **shared))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Automatically deduplicated")  # one selection for all panels is what is meant
        chart = alt.concat(*panels, data=data, spacing=20, background="transparent").add_params(pointed, chosen)
    chart = chart.configure_legend(orient="bottom", symbolLimit=60, labelLimit=150)
    return chart.configure_view(stroke=None).to_dict()


def _domain(values: pd.Series) -> list[float]:
    return [round(float(limit), 3) for limit in limits_without_outliers(values)]


def _colour(alt, points: pd.DataFrame):
    topics = sorted(set(points["topic"]))
    if len(topics) < 2:
        return alt.Color("tokens:Q", scale=alt.Scale(type="log", scheme="viridis"), title="tokens")
    colours = [to_hex(colour) for colour in topic_colours(topics).values()]
    return alt.Color("topic:N", scale=alt.Scale(domain=topics, range=colours), title=None)


def _records(points: pd.DataFrame) -> list[dict]:
    """Plain values, coordinates to three decimals: they are most of the page."""
    numbers = points.select_dtypes(np.float32).astype(float).round(3)
    return points.drop(columns=["id", *numbers.columns]).join(numbers).to_dict("records")


@lru_cache(maxsize=1)
def _vega() -> Markup:
    """Vega, Vega-Lite and vega-embed in one script, from an installed package."""
    import vl_convert

    return Markup(vl_convert.javascript_bundle())
