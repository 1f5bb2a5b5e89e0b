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
# These differ between machines: programs write otherwise on a terminal that is "dumb" or narrow, or without buffers.
OUTPUT_VARIABLES = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "PYTHONUNBUFFERED")
CHILD_ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name not in OUTPUT_VARIABLES},
    "TERM": "xterm",
    "PYTHONPATH": PYTHON_PATH,
}
