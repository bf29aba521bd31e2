"""A module of a package, with a dotted component."""
import pytest

pytest_monitor_component = "storage.disk"


@pytest.mark.parametrize("block", range(25))
def test_write(block):
    assert bytes([block]) * block == bytes([block] * block)


def test_empty():
    assert not b""
