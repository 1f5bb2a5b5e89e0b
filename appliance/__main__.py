"""`python -m appliance`, and the `appliance` command."""

import sys


def main() -> int:
    """Runs the command line."""
    from appliance.cli import main as run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
