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
from unpadded.evaluation import TermCounts, count_terms
from unpadded.report.maps.regions import apart, region_names, seen, topic_names
from unpadded.report.maps.tables import limits_without_outliers, load_map, map_path, poolings_of
from unpadded.report.maps.topics import topic_colours, topic_shapes
from unpadded.report.maps.umap_maps import sample_documents
from unpadded.report.rendering import write_html

KINDS, NO_NAMES = ("topics", "words of regions"), "none"  # what stands over a map
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
    terms = _terms(shown)
    return write_html(
        folder / "map.html",
        "map.html",
        title=f"Unpadded: map of {found.stem}",
        corpus=found.stem,
        n_documents=len(shown),
        chart=hover_chart(shown),
        seen=" ".join(seen(shown, pooling, terms) for pooling in poolings_of(shown)),
        vega=_vega(),
    )


def hover_chart(points: pd.DataFrame) -> dict:
    """Vega-Lite of a map table (`map_table`): a panel a pooling, the document pointed at large in all of them.

    Topics of one hue differ in shape. Over the points stand names, by a menu: of the topics that lie together, or the words of
    the map's regions.
    """
    import altair as alt  # imported late: it takes a second, and only this page needs it

    pointed = alt.selection_point(name="pointed", on="pointerover", fields=["row"], empty=False, clear="pointerout")
    chosen = alt.selection_point(name="chosen", fields=["topic"], bind="legend")
    shared = {
        "color": _colour(alt, points),
        "opacity": alt.when(pointed).then(alt.value(1)).when(chosen).then(alt.value(0.65)).otherwise(alt.value(0.06)),
        "size": alt.when(pointed).then(alt.value(220)).otherwise(alt.value(18)),
        **_shape(alt, points),
        "tooltip": [alt.Tooltip(f"{name}:N") for name in ("title", "beginning", "topic")] + [alt.Tooltip("tokens:Q")],
    }
    data = alt.InlineData(values=_records(points), name="documents")
    terms, panels = _terms(points), []
    named = {pooling: _names(points, pooling, terms) for pooling in poolings_of(points)}
    kinds = sorted({record["kind"] for records in named.values() for record in records}, key=KINDS.index)
    shown = alt.param(
        name="names", value=(kinds or [NO_NAMES])[0], bind=alt.binding_select(options=[*kinds, NO_NAMES], name="Names ")
    )
    for pooling, records in named.items():
        x, y = (
            channel(f"{pooling}_{name}:Q", axis=None, scale=alt.Scale(domain=_domain(points[f"{pooling}_{name}"])))
            for name, channel in (("x", alt.X), ("y", alt.Y))
        )
        dots = alt.Chart().mark_point(clip=True, filled=True).encode(x, y, **shared)
        words = alt.Chart(alt.InlineData(values=records)).transform_filter("datum.kind == names")
        words = words.encode(x.copy(), y.copy(), alt.Text("words:N"))
        # Twice: the page draws the first as a rim in the background's colour, so that the words can be read over points.
        layers = [dots, *(words.mark_text(clip=True, fontSize=11) for _ in ("rim", "name"))]
        panels.append(alt.layer(*layers, title=alt.Title(pooling, anchor="start")))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Automatically deduplicated")  # one selection for all panels is what is meant
        chart = alt.concat(*panels, data=data, spacing=20, background="transparent").add_params(pointed, chosen, shown)
    chart = chart.configure_legend(orient="bottom", symbolLimit=60, labelLimit=150)
    return chart.configure_view(stroke=None).to_dict()


def _names(points: pd.DataFrame, pooling: str, terms: TermCounts) -> list[dict]:
    """What stands over a map: words, kind, and the coordinates under the names of its columns; coarse regions come first."""
    x, y = f"{pooling}_x", f"{pooling}_y"
    xy = points[[x, y]].to_numpy(float)
    regions = [name for scale in region_names(xy, terms) for name in scale.names.values()]
    found = dict(zip(KINDS, (topic_names(xy, points["topic"]), regions), strict=True))
    return [
        {"words": name.words, "kind": kind, x: round(name.x, 3), y: round(name.y, 3)}
        for kind, names in found.items()
        for name in apart(names, xy)
    ]


def _terms(points: pd.DataFrame) -> TermCounts:
    """The terms in what the table has of each text: its beginning."""
    return count_terms((points["title"] + " " + points["beginning"]).tolist())


def _shape(alt, points: pd.DataFrame) -> dict:
    topics = sorted(set(points["topic"]))
    if len(topics) < 2:
        return {}
    return {
        "shape": alt.Shape(
            "topic:N", scale=alt.Scale(domain=topics, range=list(topic_shapes(topics).values())), title=None
        )
    }


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
