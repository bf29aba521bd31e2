"""What `benches/run.py` is made of."""
import sys
from pathlib import Path

BENCHES = Path(__file__).resolve().parent.parent
ROOT = BENCHES.parent

# What the tests of real clients have for processes serves here as well.
sys.path.append(str(ROOT / "tests" / "clients"))
