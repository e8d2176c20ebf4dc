"""Documents taken apart: nothing is lost, nothing else is changed, and a partner is of another topic."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unpadded.common.errors import InputError
from unpadded.studies.last_state.edits import (
    PLACES,
    excerpt,
    part_bounds,
    partners,
    parts_alone,
    spliced,
    with_part_replaced,
)

QUICK = settings(max_examples=30)


@QUICK
@given(n_parts=st.integers(1, 12), extra=st.integers(0, 200))
def test_parts_cover_the_text_and_are_as_equal_as_can_be(n_parts, extra):
    bounds = part_bounds(n_parts + 1 + extra, n_parts)
    sizes = np.diff(bounds)
    assert (bounds[0], bounds[-1]) == (1, n_parts + 1 + extra)
    assert len(sizes) == n_parts
    assert 1 <= sizes.min() <= sizes.max() <= sizes.min() + 1


@QUICK
@given(length=st.integers(11, 80), donor_length=st.integers(2, 90), part=st.integers(0, 9))
def test_a_replaced_part_leaves_everything_else(length, donor_length, part):
    tokens, donor = np.arange(length), np.arange(1_000, 1_000 + donor_length)
    bounds = part_bounds(length)
    begin, end = bounds[part], bounds[part + 1]
    changed = with_part_replaced(tokens, donor, begin, end)
    assert len(changed) == length
    np.testing.assert_array_equal(np.delete(changed, np.s_[begin:end]), np.delete(tokens, np.s_[begin:end]))
    assert np.isin(changed[begin:end], donor[1:]).all()


def test_parts_alone_keep_the_first_token_and_join_to_the_document():
    tokens = np.array([2, *range(100, 125)])
    parts = parts_alone(tokens)
    assert all(part[0] == 2 for part in parts)
    np.testing.assert_array_equal(np.concatenate([part[1:] for part in parts]), tokens[1:])


def test_an_excerpt_is_the_middle_and_repeats_what_is_too_short():
    tokens = np.array([2, 10, 11, 12, 13, 14])
    assert excerpt(tokens, 3).tolist() == [11, 12, 13]
    assert excerpt(tokens[:3], 5).tolist() == [10, 11, 10, 11, 10]
    with pytest.raises(InputError, match="no token behind its first"):
        excerpt(tokens[:1], 2)


@pytest.mark.parametrize("place", PLACES)
def test_a_splice_is_on_topic_at_its_place_alone(place):
    made = spliced(np.full(30, 7), np.full(30, 8), place, n_tokens=4)
    assert len(made) == 13
    assert made[0] == 7  # the first token marks the beginning
    thirds = made[1:].reshape(3, 4)
    assert [third.tolist() for third in thirds] == [[7 if p == place else 8] * 4 for p in PLACES]


def test_bad_parts_and_places_are_refused():
    with pytest.raises(InputError, match="10 tokens have no 10 parts"):
        part_bounds(10, 10)
    with pytest.raises(InputError, match="'front' is not known; give one of beginning, middle, end"):
        spliced(np.arange(9), np.arange(9), "front", n_tokens=2)
    with pytest.raises(InputError, match="at least two"):
        partners(None, 1)


@QUICK
@given(topics=st.lists(st.sampled_from("abc"), min_size=2, max_size=40), seed=st.integers(0, 5))
def test_a_partner_is_another_document_and_where_it_can_be_of_another_topic(topics, seed):
    found = partners(topics, len(topics), seed=seed)
    assert (found != np.arange(len(topics))).all()
    if len(set(topics)) > 1:
        assert all(topics[other] != topic for topic, other in zip(topics, found, strict=True))


def test_partners_without_topics_are_any_other():
    found = partners(None, 50, seed=1)
    assert (found != np.arange(50)).all()
    assert len(set(found.tolist())) > 20
