"""Outcomes other than a pass, and tests without a component."""
import pytest


def test_failing():
    assert 1 + 1 == 3


@pytest.mark.skip(reason="never runs")
def test_skipped():
    raise AssertionError


def test_skipping_itself():
    pytest.skip("changed its mind")


@pytest.mark.xfail(strict=True)
def test_expected_to_fail():
    assert 1 + 1 == 3


@pytest.mark.monitor_skip_test
def test_passing_unmeasured():
    pass


@pytest.mark.parametrize("size", [0, 1, 10, 1_000, 100_000])
def test_passing(size):
    assert len(bytearray(size)) == size
