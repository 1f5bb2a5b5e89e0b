"""The tests of updates start the daemon with the helper of the whole-program tests."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "system"))
