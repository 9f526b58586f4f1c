import pytest

from attendant.traces import describe_failure


def test_types_and_places_are_told_and_no_message():
    with pytest.raises(RuntimeError) as caught:
        fail("mark" + "er")
    told = describe_failure(caught.value)
    assert "marker" not in told
    assert told.index("builtins.KeyError") < told.index("builtins.RuntimeError")
    assert "in fail" in told


def fail(text):
    try:
        {}[text]
    except KeyError as error:
        raise RuntimeError(text) from error
