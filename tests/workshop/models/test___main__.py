"""`python -m appliance.workshop.models`: the number of threads is fixed before numpy is loaded."""

import subprocess
import sys

from support.paths import CHILD_ENVIRONMENT

# Runs main() with the command line `--help`, and prints what is set when the first library that counts threads loads.
SCRIPT = """
import os, sys
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name in ("numpy", "torch"):
            print("too early:", name)
sys.meta_path.insert(0, Watch())
from appliance.workshop.models.__main__ import main
sys.argv = ["models", "--help"]
try:
    main()
except SystemExit as ended:
    print("status", ended.code)
print("threads", os.environ["OMP_NUM_THREADS"], os.environ["OPENBLAS_NUM_THREADS"])
"""


def run_script(**environment):
    command = [sys.executable, "-c", SCRIPT]
    unset = {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"}
    inherited = {name: value for name, value in CHILD_ENVIRONMENT.items() if name not in unset}
    return subprocess.run(command, env=inherited | environment, capture_output=True, text=True, check=True).stdout


def test_one_thread_is_set_before_a_library_is_loaded():
    output = run_script()
    assert "too early" not in output
    assert "status 0" in output
    assert output.splitlines()[-1] == "threads 1 1"


def test_number_of_threads_that_is_set_stays():
    assert run_script(OMP_NUM_THREADS="3").splitlines()[-1] == "threads 3 1"


def test_importing_it_runs_nothing():
    command = [sys.executable, "-c", "import appliance.workshop.models.__main__"]
    child = subprocess.run(command, env=CHILD_ENVIRONMENT, capture_output=True, text=True)
    assert (child.returncode, child.stdout, child.stderr) == (0, "", "")
