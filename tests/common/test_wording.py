"""Lists and names that people write."""

from unpadded.common.wording import closest, comma_list, did_you_mean


def test_a_list_has_no_spaces_and_no_empty_items():
    assert comma_list(" mean, last max ,,max,") == ["mean", "last max", "max"]
    assert comma_list("") == comma_list(" , ") == []
    assert comma_list(8) == ["8"]


def test_the_closest_name_is_given_as_it_is_written():
    assert closest("LABLE", ["Text", "Label"]) == "Label"
    assert closest("topic", ["text", "label"]) is None
    assert did_you_mean("txt", ["text", "label"]) == " (did you mean 'text'?)"
    assert did_you_mean("topic", []) == ""
