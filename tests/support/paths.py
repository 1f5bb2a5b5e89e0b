"""Paths that several tests need."""

import os
from pathlib import Path

from appliance.system.shipped import find_shipped

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("APPLIANCE_TEST_DATA", ROOT.parent / "shared"))
# The labeler that knows the drawn scenes; small and fast.
FLOWERS = find_shipped("flowers")
# For child processes: the package under test, and these helpers.
PYTHON_PATH = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
CHILD_ENVIRONMENT = {**os.environ, "PYTHONPATH": PYTHON_PATH}
