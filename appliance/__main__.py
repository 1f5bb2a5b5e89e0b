"""The entry point: `python -m appliance` and the `appliance` command."""

import sys


def main() -> int:
    """Run the command line and return its exit status."""
    from appliance.cli import main as run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
