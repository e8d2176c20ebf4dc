"""Regions of a map and the names that stand over it."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.path import Path as MplPath

from unpadded.evaluation import count_terms
from unpadded.report.maps.density import density_contours
from unpadded.report.maps.regions import (
    FEWEST,
    NEARLY_ALL,
    OUTSIDE,
    Name,
    apart,
    map_regions,
    region_names,
    seen,
    topic_names,
)
from unpadded.report.maps.topics import SHAPES, topic_colours, topic_shapes

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
    regions, found = (scale := region_names(xy, count_terms(texts))[0]).regions, scale.names
    names = list(found.values())
    for region in found:
        assert len(set(topics[regions == region])) == 1
    assert (regions != OUTSIDE).mean() > 0.8
    assert [found[region].words for region in regions if region in found] == [w for w in scale.words if w]
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


@settings(max_examples=20)
@given(st.integers(1, 60))
def test_any_map_has_regions(n):
    xy = np.random.default_rng(n).standard_normal((n, 2))
    regions = map_regions(xy)
    assert regions.shape[1] == n
    assert (regions >= OUTSIDE).all()
    if n < 2 * FEWEST:
        assert not regions.any()
    for scale in region_names(xy, count_terms(["..."] * n)):  # no word, no name
        assert not scale.names
        assert set(scale.words) == {""}


def nested(n: int = 300, seed: int = 0):
    """Two far groups of three near ones each, and texts of words of the group and of the near one."""
    rng = np.random.default_rng(seed)
    angles = (0, 2.1, 4.2)
    places = [(20 * group + 1.5 * np.cos(a), 20 * group + 1.5 * np.sin(a)) for group in range(2) for a in angles]
    which = np.repeat(np.arange(6), n)
    xy = np.array(places)[which] + rng.standard_normal((6 * n, 2)) * 0.3
    groups = [["river", "water", "flood"], ["engine", "motor", "wheel"]]
    parts = [["salmon", "trout", "perch"], ["bridge", "arch", "pier"], ["ferry", "boat", "sail"]]
    parts += [["diesel", "petrol", "fuel"], ["racing", "driver", "track"], ["garage", "repair", "tyre"]]
    texts = [" ".join(groups[part // 3] * 2 + parts[part]) for part in which]
    return xy, texts, groups, parts


def test_finer_regions_lie_in_coarser_ones_and_say_what_those_do_not():
    xy, texts, groups, parts = nested()
    regions = map_regions(xy)
    for coarse, fine in pairwise(regions):
        for region in set(fine[fine != OUTSIDE]):
            assert len(set(coarse[fine == region])) == 1
    scales = region_names(xy, count_terms(texts))
    assert {frozenset(name.words.split(", ")) for name in scales[0].names.values()} == set(map(frozenset, groups))
    finer = [frozenset(name.words.split(", ")) for scale in scales[1:] for name in scale.names.values()]
    assert set(map(frozenset, parts)) <= set(finer)
    assert not set().union(*finer) & set().union(*groups)
    for before, scale in pairwise(scales):
        for region, name in scale.names.items():
            parent = before.regions[scale.regions == region][0]
            assert name.size <= NEARLY_ALL * (before.regions == parent).sum()
    for scale in scales:
        assert len({name.words for name in scale.names.values()}) == len(scale.names)


def test_lines_of_density_hold_the_shares_that_they_are_to_hold():
    xy = np.concatenate([islands(n=400)[0], np.random.default_rng(1).uniform(-3, 13, (200, 2))])
    found = density_contours(xy, [0.5, 0.9])
    for share, lines in found.items():
        rings = [MplPath(line) for line in lines]
        inside = np.logical_xor.reduce([ring.contains_points(xy) for ring in rings])
        assert inside.mean() == pytest.approx(share, abs=0.05)
    islands_inside = [any(MplPath(line).contains_point(place) for line in found[0.5]) for place in PLACES.values()]
    assert all(islands_inside)
    density_contours(np.zeros((3, 2)), [0.5])  # all in one place


def test_the_largest_maps_regions_are_as_those_of_a_sample_of_it():
    """A hundred thousand documents are divided as the same map of fewer is, at the coarsest scale."""
    rng = np.random.default_rng(0)
    which = rng.integers(0, 3, 100_000)
    xy = np.array(list(PLACES.values()))[which] + rng.standard_normal((100_000, 2)) * 0.5
    coarsest = map_regions(xy)[0]
    for group in range(3):
        found = coarsest[which == group]
        assert (found == np.bincount(found[found >= 0]).argmax()).mean() > 0.98


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
    terms = count_terms(texts)
    assert seen(points, "mean", terms) == "mean: 3 of 3 topics lie together: sea, sky, wood."
    said = seen(points.assign(topic=""), "mean", terms)
    assert said.startswith("mean: its largest regions are about ")
    assert "harbour" in said


@given(st.integers(1, 40))
def test_topics_of_one_colour_differ_in_shape_as_far_as_shapes_go(n):
    topics = [f"t{i:02d}" for i in range(n)]
    shapes = topic_shapes(topics)
    assert list(shapes) == topics == list(topic_colours(topics))  # charts take both by their order
    hues = {}
    for place, topic in enumerate(topics):
        hues.setdefault(place % 7, []).append(shapes[topic])
    for members in hues.values():
        assert len(set(members)) == min(len(members), len(SHAPES))
