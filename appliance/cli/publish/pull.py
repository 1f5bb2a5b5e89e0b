"""`appliance publish pull`: bring the newest served copy into the folder."""

import argparse

from appliance.cli.exit_status import ExitStatus
from appliance.cli.output import print_json, print_message
from appliance.cli.publish.arguments import make_json_parser, make_served_parser, make_site_parser
from appliance.cli.publish.site import open_keys, require_folder

PURPOSE = "bring the newest served copy of the site into the folder"
EXAMPLE = "pull --served https://models.example.org --site site --keys keys"


def make_parents() -> list[argparse.ArgumentParser]:
    """Return the shared arguments of the action."""
    return [make_site_parser(), make_served_parser(), make_json_parser()]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the action's own arguments: none."""


def run(arguments: argparse.Namespace) -> int:
    """Pull the site and print what changed."""
    from appliance.workshop.publishing.pulling import pull_site

    result = pull_site(require_folder(arguments), open_keys(arguments), arguments.served)
    if arguments.json:
        print_json(
            {
                "served": result.place,
                "changed": result.is_changed,
                "fetched": result.fetched,
                "lost": list(result.lost),
                "replaced": str(result.replaced) if result.replaced else None,
            }
        )
        return ExitStatus.DONE
    if not result.is_changed:
        print(f"{arguments.site} already contains everything that {result.place} serves.")
        return ExitStatus.DONE
    print(f"{arguments.site} is now the copy that {result.place} serves ({result.fetched} files fetched).")
    for line in result.lost:
        print_message(f"changed: {line}")
    if result.replaced:
        print_message(f"what this copy had was kept in {result.replaced}; repeat your change if it is missing")
    return ExitStatus.DONE
