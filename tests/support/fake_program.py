"""Stands in for `python -m appliance` as a child of the daemon: prints what a test wrote, slowly if it says so.

The first argument is a folder with answers: COMMAND.json is printed by `COMMAND`, COMMAND.err goes to standard error
first, COMMAND.wait makes it wait, COMMAND.status is its exit status, and `log` receives the arguments.
"""

import sys
import time
from pathlib import Path


def main() -> int:
    """Answer one command."""
    folder, command = Path(sys.argv[1]), sys.argv[2]
    with (folder / "log").open("a") as log:
        print(*sys.argv[2:], file=log)
    if (errors := folder / f"{command}.err").exists():
        sys.stderr.write(errors.read_text())
        sys.stderr.flush()
    if command == "train" and "--out" in sys.argv:
        out = Path(sys.argv[sys.argv.index("--out") + 1])
        if (model := folder / "model").exists():
            out.parent.mkdir(parents=True, exist_ok=True)
            model.rename(out)
    if (folder / f"{command}.wait").exists():
        time.sleep(60)
    answer = folder / f"{command}.json"
    sys.stdout.write(answer.read_text() if answer.exists() else "")
    status = folder / f"{command}.status"
    return int(status.read_text()) if status.exists() else 0


if __name__ == "__main__":
    sys.exit(main())
