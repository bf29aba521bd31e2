"""Variants whose names are awkward in a URL, in SQL, in JSON or in a sort order."""
import pytest

pytest_monitor_component = "Größe & Gewicht"

NAMES = [
    "feature/arrow", "50%", "a_b", "%41", "q?r#s", "x+y z", "a;b,c", "it's", 'say "so"', "back\\slash",
    "Ärger", "日本語", "🦀", "e\u0301", "  two  ", "[nested]", "-1-2", "O'Brien; DROP TABLE metric;--", "n" * 1500,
]


@pytest.mark.parametrize("name", NAMES)
def test_name(name):
    assert name == name.encode().decode()
