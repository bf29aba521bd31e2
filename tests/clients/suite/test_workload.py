"""Tests that use measurable resources, so that measurements differ."""
import time

import pytest

pytest_monitor_component = "workload"
pytestmark = pytest.mark.monitor_test


@pytest.mark.parametrize("megabytes", [1, 8, 32])
def test_memory(megabytes):
    block = bytearray(megabytes << 20)
    time.sleep(0.02)
    assert len(block) == megabytes << 20


@pytest.mark.parametrize("rounds", [10_000, 100_000, 400_000])
def test_cpu(rounds):
    assert sum(i & 1 for i in range(rounds)) == rounds // 2


@pytest.mark.parametrize("milliseconds", [1, 10, 50])
def test_waiting(milliseconds):
    time.sleep(milliseconds / 1000)


class TestInClass:
    @pytest.mark.parametrize("letter", "abcdef")
    def test_letter(self, letter):
        assert letter.isalpha()
