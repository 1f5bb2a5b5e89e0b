"""Print a one-time sign-in link to the page of this device, and manage who may use it.

The link signs in one browser and ends after 10 minutes. Programs use bearer tokens (--new-token). Run it as root, or as
a member of the service's group.
"""

import argparse
import io
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

from appliance.cli.arguments import add_config_argument
from appliance.cli.exit_status import ExitStatus
from appliance.cli.output import print_lines, print_message
from appliance.cli.streams import write_controls
from appliance.errors import ApplianceError, SettingsError, UsageError, describe_os_error, suggest_install
from appliance.system.text_width import read_columns

EXAMPLE = (
    "examples: sudo appliance web\n"
    "          sudo appliance web --enable\n"
    "          sudo appliance web --new-token dashboard --scope read"
)

_ASK_LIMIT_S = 10.0
_NETWORK = '["0.0.0.0:8080", "[::]:8080"]'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `appliance web`."""
    add_config_argument(parser)
    actions = parser.add_mutually_exclusive_group()
    actions.add_argument("--new-token", metavar="NAME", help="make a token for a program, and print it once")
    actions.add_argument("--revoke", metavar="NAME", help="revoke a token, at once")
    actions.add_argument("--tokens", action="store_true", help="list the tokens (names and scopes only)")
    actions.add_argument("--sign-out-everywhere", action="store_true", help="end every session, at once")
    actions.add_argument(
        "--enable", action="store_true", help="serve the page in the network from now on (changes the settings file)"
    )
    actions.add_argument("--disable", action="store_true", help="serve no page any more (changes the settings file)")
    parser.add_argument("--scope", choices=("read", "admin"), help="of the new token (default: read)")


def run(arguments: argparse.Namespace) -> int:
    """Carry out the chosen action.

    Raises:
        UsageError: --scope is given without --new-token.
        ControlError: No daemon runs, or this account may not contact it.
    """
    if arguments.scope and arguments.new_token is None:
        raise UsageError("--scope belongs to --new-token NAME")
    if arguments.enable or arguments.disable:
        return _switch(arguments.config, arguments.enable)
    if arguments.new_token is not None:
        answer = _ask({"action": "new-token", "name": arguments.new_token, "scope": arguments.scope or "read"})
        print_message(f"the token {answer['name']} (scope {answer['scope']}); it is shown only now:")
        print(answer["token"])
    elif arguments.revoke is not None:
        _ask({"action": "revoke", "name": arguments.revoke})
        print_message(f"the token {arguments.revoke} is revoked")
    elif arguments.tokens:
        tokens = _ask({"action": "tokens"})["tokens"]
        print_lines(f"{item['name']:<24} {item['scope']:<6} made {item['created']}" for item in tokens)
        if not tokens:
            print_message("there are no tokens; make one with: appliance web --new-token NAME")
    elif arguments.sign_out_everywhere:
        print_message(f"{_ask({'action': 'sign-out-everywhere'})['sessions']} sessions ended")
    else:
        print_link(_ask({"action": "link"}))
    return ExitStatus.DONE


def print_link(answer: dict[str, Any]) -> None:
    """Print a sign-in link, with its QR code on a terminal.

    Args:
        answer: The daemon's answer: the addresses of the page, and a code.
    """
    from appliance.settings.schema import WebSettings

    links = [f"{url}/#{answer['code']}" for url in answer["urls"]]
    print_message("Open this link on your phone or computer; it signs in once, within 10 minutes:")
    print(links[0])
    if sys.stdout.isatty():
        _print_qr_code(links[0])
    for other in links[1:]:
        print_message(f"the same page: {other}")
    if "//127." in links[0] or "//[::1]" in links[0]:
        # --enable replaces only the default of web.listen.
        is_default = any(f"//{listen}/" in links[0] for listen in WebSettings().listen)
        how = "open it with: sudo appliance web --enable" if is_default else f"to open it, set web.listen = {_NETWORK}"
        print_message(f"the page is open to this machine only, not to your network; {how}")
    elif not answer["tls"]:
        print_message("without TLS, others on the network path can read the picture; see: appliance help security")


def _print_qr_code(link: str) -> None:
    try:
        import segno
    except ImportError:
        return
    drawn = io.StringIO()
    segno.make(link, error="l", micro=False).terminal(out=drawn, compact=True)
    columns = max(map(len, drawn.getvalue().splitlines()))
    if read_columns(sys.stdout) < columns:
        print_message(f"a terminal with at least {columns} columns also shows the link as a QR code")
        return
    # White on black, also on a light terminal: not every phone reads a code with its colors exchanged.
    begin, end = ("", "") if os.environ.get("TERM", "dumb") == "dumb" else ("\x1b[97;40m", "\x1b[0m")
    write_controls(sys.stdout, "".join(f"{begin}{line}{end}\n" for line in drawn.getvalue().splitlines()))


def _ask(argument: dict[str, Any]) -> dict[str, Any]:
    from appliance.control.client import ask
    from appliance.control.protocol import ControlCommand, make_request
    from appliance.system.paths import find_control_socket

    return ask(find_control_socket(), make_request(ControlCommand.WEB, argument), _ASK_LIMIT_S)


def _switch(config: Path | None, enable: bool) -> int:
    """Change web.enabled in the settings file, and restart an installed service that runs.

    Raises:
        ApplianceError: The libraries of the page are not installed, or this account may not change the file.
        SettingsError: There is no settings file, or it is invalid.
    """
    from appliance.daemon.page.build import find_missing_library
    from appliance.settings.edit import set_value
    from appliance.settings.load import load_settings
    from appliance.settings.schema import WebSettings

    if enable and (missing := find_missing_library()):
        raise ApplianceError(f"the page needs {missing}, which is missing; {suggest_install('web')}")
    settings = load_settings(config)
    if settings.path is None:
        raise SettingsError(
            "there is no settings file; create /etc/appliance/appliance.toml, or give one with --config"
        )
    text = settings.path.read_text(encoding="utf-8")
    changed = set_value(text, "web", "enabled", "true" if enable else "false")
    if enable and settings.web.listen == WebSettings().listen:
        changed = set_value(changed, "web", "listen", _NETWORK)
    if changed == text:
        print_message(f"the page is {'on' if enable else 'off'} already in {settings.path}")
        return ExitStatus.DONE
    _write_checked(settings.path, changed)
    print_message(f"the page is {'on' if enable else 'off'} in {settings.path}")
    return _restart_service(settings.path)


def _write_checked(path: Path, text: str) -> None:
    """Replace a settings file, unless the new text is invalid; owner and permissions are kept."""
    from appliance.settings.load import load_settings
    from appliance.system.atomic_files import open_replacement

    try:
        status = path.stat()
        trial = path.with_name(f".{path.name}.new")
        trial.write_text(text, encoding="utf-8")
        try:
            load_settings(trial)
        finally:
            trial.unlink()
        owner = (status.st_uid, status.st_gid)
        with open_replacement(path, stat.S_IMODE(status.st_mode), owner=owner) as file:
            file.write(text.encode())
    except OSError as error:
        raise ApplianceError(
            f"{path} cannot be changed: {describe_os_error(error)}; run this as root (sudo)"
        ) from error


def _restart_service(path: Path) -> int:
    from appliance.system.paths import is_service_installed

    is_its_file = path.resolve() == Path("/etc/appliance/appliance.toml")
    if not is_its_file or not is_service_installed() or not shutil.which("systemctl") or os.geteuid() != 0:
        print_message("it takes effect with the next start of the daemon")
        return ExitStatus.DONE
    if subprocess.run(["systemctl", "try-restart", "appliance"], check=False).returncode:
        print_message("the service did not start again; find the reason with: journalctl -u appliance -n 20")
        return ExitStatus.FAILED
    print_message("the service was restarted")
    return ExitStatus.DONE
