"""Publish models: sign a folder of files that any static web host can serve to the devices.

The commands change the folder (SITE); you then upload it with `publish sync` or `firebase deploy --only hosting`. With
--firebase-ml, a push goes to Firebase ML instead, until that service is shut down.
"""

import argparse
from typing import TYPE_CHECKING

from appliance.cli.publish import (
    check,
    init,
    pause,
    promote,
    prune,
    pull,
    push,
    refresh,
    rollback,
    rotate,
    status,
    sync,
    withdraw,
)

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLE = "example: appliance publish push my-model.zip --channel stable --percent 20 --site site --keys keys"

_ACTIONS = {
    "init": init,
    "push": push,
    "promote": promote,
    "rollback": rollback,
    "pause": pause,
    "withdraw": withdraw,
    "refresh": refresh,
    "rotate": rotate,
    "pull": pull,
    "sync": sync,
    "prune": prune,
    "status": status,
    "check": check,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `appliance publish`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, module in _ACTIONS.items():
        action = actions.add_parser(
            name,
            help=module.PURPOSE,
            description=f"{module.PURPOSE[0].upper()}{module.PURPOSE[1:]}.",
            epilog=f"example: appliance publish {module.EXAMPLE}",
            parents=module.make_parents(),
        )
        module.add_arguments(action)
        action.set_defaults(run_action=module.run)


def run(arguments: argparse.Namespace) -> int:
    """Run the action; return the exit status."""
    run_action: Callable[[argparse.Namespace], int] = arguments.run_action
    return run_action(arguments)
