"""Many quick tests of one component."""
import pytest

pytest_monitor_component = "arithmetic"


@pytest.mark.parametrize("left", range(-7, 7))
@pytest.mark.parametrize("right", range(10))
def test_product(left, right):
    assert left * right == right * left


@pytest.mark.parametrize("n", range(60))
def test_sum(n):
    assert sum(range(n)) == n * (n - 1) // 2
