"""Paths that several tests need."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("APPLIANCE_TEST_DATA", ROOT.parent / "shared"))
# For child processes: the package under test, and these helpers.
PYTHON_PATH = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
CHILD_ENVIRONMENT = {**os.environ, "PYTHONPATH": PYTHON_PATH}
