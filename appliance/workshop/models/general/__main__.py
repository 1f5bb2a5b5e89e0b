"""Run `python -m appliance.workshop.models.general STAGE`, which is scripts/make-general without its environment."""

import argparse
import sys

from appliance.errors import ApplianceError
from appliance.workshop.models.paths import REQUIRED_DATA


def main() -> int:
    """Run a stage; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="make-general",
        description="Make the general labeler, or print its figures.",
        epilog=REQUIRED_DATA,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "stage", choices=["build", "background", "evaluate"], help="build writes appliance/bundled/general"
    )
    stage = parser.parse_args().stage
    try:
        if stage == "build":
            from appliance.workshop.models.general.build import build_bundle

            build_bundle()
        elif stage == "background":
            from appliance.workshop.models.general.background import build_bank

            build_bank()
        else:
            from appliance.workshop.models.general.evaluate import print_figures

            print_figures()
    except (ApplianceError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
