"""The entry point: `python -m appliance` and the `appliance` command."""

import sys


def main() -> int:
    """Run the command line and return its exit status."""
    from appliance.cli import main as run
    from appliance.cli.streams import run_with_safe_streams

    return run_with_safe_streams(lambda: run(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(main())
