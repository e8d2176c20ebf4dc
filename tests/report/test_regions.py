"""Regions of a map and the names that stand over it."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unpadded.report.maps.regions import FEWEST, OUTSIDE, Name, apart, map_regions, region_names, seen, topic_names
from unpadded.report.maps.umap_maps import SHAPES, topic_colours, topic_shapes

WORDS = {"sea": "ship wave harbour", "wood": "oak leaf bark", "sky": "cloud wind rain"}
PLACES = {"sea": (0, 0), "wood": (10, 0), "sky": (5, 9)}


def islands(n: int = 40, seed: int = 0):
    """Coordinates of three far groups, their topics, and texts of each group's own words among common ones."""
    rng = np.random.default_rng(seed)
    topics = np.repeat(list(PLACES), n)
    xy = np.array([PLACES[topic] for topic in topics]) + rng.standard_normal((3 * n, 2)) * 0.5
    texts = [f"{' '.join(rng.permutation(WORDS[topic].split()))} thing matter" for topic in topics]
    return xy, topics, texts


def test_regions_are_the_groups_and_are_named_by_their_own_words():
    xy, topics, texts = islands()
    regions, names = region_names(xy, texts)
    for region in range(3):
        assert len(set(topics[regions == region])) == 1
    assert (regions != OUTSIDE).mean() > 0.8
    assert {frozenset(name.words.split(", ")) for name in names} == {frozenset(w.split()) for w in WORDS.values()}
    for name in names:
        (topic,) = (topic for topic, words in WORDS.items() if set(words.split()) == set(name.words.split(", ")))
        assert np.hypot(name.x - PLACES[topic][0], name.y - PLACES[topic][1]) < 1.5
    assert [name.size for name in names] == sorted((name.size for name in names), reverse=True)


def test_topics_that_lie_together_are_named_where_they_are():
    xy, topics, _ = islands()
    names = {name.words: name for name in topic_names(xy, topics)}
    assert set(names) == set(PLACES)
    assert names["sky"].y > 7
    assert topic_names(xy, np.random.default_rng(0).permutation(np.arange(len(xy)).astype(str))) == []
    assert topic_names(xy, [""] * len(xy)) == []


@given(st.integers(1, 60))
def test_any_map_has_regions(n):
    xy = np.random.default_rng(n).standard_normal((n, 2))
    regions = map_regions(xy)
    assert len(regions) == n
    assert (regions >= OUTSIDE).all()
    if n < 2 * FEWEST:
        assert not regions.any()
    assert region_names(xy, ["..."] * n)[1] == []  # no word, no name


def test_names_cover_no_other_and_stay_within_the_map():
    xy = np.random.default_rng(0).uniform(0, 100, (500, 2))
    names = [
        Name("the first of all", 50, 50, 9),
        Name("covered by it", 51, 50.5, 8),
        Name("at the very edge", 0, 90, 7),
    ]
    kept = list(apart(names, xy))
    assert [name.words for name in kept] == ["the first of all", "at the very edge"]
    assert kept[0][1:3] == pytest.approx((50, 50))
    assert 5 < kept[1].x < 40


def test_what_is_seen_is_said():
    xy, topics, texts = islands()
    points = pd.DataFrame({"topic": topics, "mean_x": xy[:, 0], "mean_y": xy[:, 1]})
    assert seen(points, "mean", texts) == "mean: 3 of 3 topics lie together: sea, sky, wood."
    said = seen(points.assign(topic=""), "mean", texts)
    assert said.startswith("mean: its largest regions are about ")
    assert "harbour" in said


@given(st.integers(1, 40))
def test_topics_of_one_colour_differ_in_shape_as_far_as_shapes_go(n):
    topics = [f"t{i:02d}" for i in range(n)]
    shapes = topic_shapes(topics)
    assert set(shapes) == set(topics) == set(topic_colours(topics))
    hues = {}
    for place, topic in enumerate(topics):
        hues.setdefault(place % 7, []).append(shapes[topic])
    for members in hues.values():
        assert len(set(members)) == min(len(members), len(SHAPES))
