"""Check the page: whether a running daemon serves it, else whether its settings allow it to be served."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from appliance.control.client import ask
from appliance.control.protocol import ControlCommand, make_request
from appliance.daemon.page.build import find_missing_library
from appliance.diagnostics.running_daemon import ASK_LIMIT_S
from appliance.errors import ApplianceError, ControlError, suggest_install
from appliance.settings.schema import Settings, WebSettings
from appliance.system.paths import find_control_socket


class PageCheckError(ApplianceError):
    """The page is not served; the text is the reason with its remedy."""


def find_page_check(is_daemon: bool, is_same: bool, settings: Settings) -> Callable[[], str] | None:
    """Return the check of the page; None if no page is served.

    Args:
        is_daemon: Whether a daemon is running.
        is_same: Whether the running daemon has the checked values of the section web.
        settings: The settings that are checked.
    """
    served = _ask_daemon() if is_daemon else None
    if served is not None and is_same:
        return (lambda: describe_served(served)) if served["enabled"] else None
    used = served["listen"] if served else ()
    return (lambda: check_settings(settings.web, used)) if settings.web.enabled else None


def describe_served(answer: Mapping[str, Any]) -> str:
    """Return where the page is served.

    Args:
        answer: What the daemon answered.

    Raises:
        PageCheckError: It is not served.
    """
    if answer["trouble"]:
        raise PageCheckError(f"{answer['trouble']}; labeling continues without the page")
    if answer["viewers"] is None:
        raise PageCheckError("the page is not served yet; try again in a minute")
    return f"{answer['urls'][0]}, {answer['viewers']} open; a sign-in link: appliance web"


def check_settings(settings: WebSettings, used: tuple[str, ...] | list[str] = ()) -> str:
    """Check what a page with these settings needs, without serving it.

    Args:
        settings: The web section.
        used: The addresses on which a running daemon listens, which are free after its restart.

    Raises:
        ApplianceError: It could not be served.
    """
    if missing := find_missing_library():
        raise PageCheckError(f"the page needs {missing}, which is missing; {suggest_install('web')}")
    from appliance.web.connections.listener import ConnectionBudget, choose_addresses, open_listener
    from appliance.web.connections.tls import load_certificate

    scheme = "https" if load_certificate(settings) else "http"
    addresses = choose_addresses(settings.listen)
    with ExitStack() as opened:
        for address in addresses:
            if address not in used:
                opened.enter_context(open_listener(address, ConnectionBudget(), settings.allow_public))
    return f"can be served at {', '.join(f'{scheme}://{address}' for address in addresses)}"


def _ask_daemon() -> dict[str, Any] | None:
    """Return what the daemon says about the page; None if it is of an earlier release."""
    try:
        answer = ask(find_control_socket(), make_request(ControlCommand.WEB, {"action": "status"}), ASK_LIMIT_S)
    except ControlError:
        return None
    kinds = {"enabled": bool, "listen": list, "urls": list}
    return answer if all(isinstance(answer.get(key), kind) for key, kind in kinds.items()) else None
