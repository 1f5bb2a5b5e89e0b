"""The commands of `appliance web`, which arrive over the control socket: root and the service's group may use them."""

import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from appliance.errors import ControlError
from appliance.settings.schema import WebSettings
from appliance.system.metrics import read_ip_address
from appliance.system.timestamps import to_rfc3339
from appliance.web.access.principal import Scope
from appliance.web.access.store import AccessStore

_ANY = ("0.0.0.0", "[::]")  # noqa: S104 - compared with the setting
_LOOPBACK = ("127.0.0.1", "[::1]")


class AccessCommands:
    """Make sign-in links and tokens, and end them; every change acts at once."""

    def __init__(
        self,
        state: Path,
        read_settings: Callable[[], WebSettings],
        read_error: Callable[[], str | None],
        read_viewers: Callable[[], int | None],
    ):
        """Keep references; the file of sessions and tokens is read with the first use.

        Args:
            state: The state folder.
            read_settings: Returns the web section in force.
            read_error: Returns why the page is not served; None if it is.
            read_viewers: Returns the number of open pages; None while no page is served.
        """
        self._state, self._read_settings, self._read_error = state, read_settings, read_error
        self._read_viewers = read_viewers
        self._access: AccessStore | None = None

    @property
    def access(self) -> AccessStore:
        """The sessions and tokens."""
        if self._access is None:
            self._access = AccessStore(self._state)
        return self._access

    def run(self, argument: Any) -> dict[str, Any]:
        """Carry out one command: {"action": …} with its own keys.

        Raises:
            ControlError: The command is unknown, or the page is not served.
            WebAccessError: A token cannot be made or revoked.
        """
        request = argument if isinstance(argument, Mapping) else {}
        actions: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "link": self._make_link,
            "status": self._describe,
            "new-token": self._make_token,
            "revoke": self._revoke,
            "tokens": self._list_tokens,
            "sign-out-everywhere": self._sign_out,
        }
        action = actions.get(str(request.get("action")))
        if action is None:
            raise ControlError("this daemon does not know this command; use the appliance command of the same version")
        return action(request)

    def _make_link(self, _: Mapping[str, Any]) -> dict[str, Any]:
        if not self._read_settings().enabled:
            raise ControlError("the page is off; turn it on with: sudo appliance web --enable")
        if error := self._read_error():
            raise ControlError(f"the page is not served: {error}")
        urls = list_urls(self._read_settings())
        return {"urls": urls, "code": self.access.make_code(), "tls": urls[0].startswith("https://")}

    def _describe(self, _: Mapping[str, Any]) -> dict[str, Any]:
        """Return whether the page is served, for `appliance check`."""
        settings = self._read_settings()
        return {
            "enabled": settings.enabled, "listen": list(settings.listen), "urls": list_urls(settings),
            "viewers": self._read_viewers(), "trouble": self._read_error(),
        }  # fmt: skip

    def _make_token(self, request: Mapping[str, Any]) -> dict[str, Any]:
        try:
            scope = Scope(str(request.get("scope", Scope.READ)))
        except ValueError as error:
            raise ControlError("the scope of a token is read or admin") from error
        name = str(request.get("name", ""))
        return {"name": name, "scope": str(scope), "token": self.access.new_token(name, scope)}

    def _revoke(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self.access.revoke_token(str(request.get("name", "")))
        return {}

    def _list_tokens(self, _: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "tokens": [
                {"name": token.name, "scope": str(token.scope), "created": to_rfc3339(token.created_s)}
                for token in self.access.list_tokens()
            ]
        }

    def _sign_out(self, _: Mapping[str, Any]) -> dict[str, Any]:
        return {"sessions": self.access.end_all_sessions()}


def list_urls(
    settings: WebSettings,
    read_address: Callable[[], str | None] = read_ip_address,
    hostname: Callable[[], str] = socket.gethostname,
) -> list[str]:
    """Return the addresses of the page, the best for a phone first.

    Args:
        settings: The web section.
        read_address: Returns the address of this machine on the network.
        hostname: Returns the name of this machine.
    """
    scheme = "https" if settings.cert_file else "http"
    found = [settings.public_url.rstrip("/")] if settings.public_url else []
    for listen in settings.listen:
        host, _, port = listen.rpartition(":")
        if host in _ANY:
            address = read_address()
            hosts = [address] if address else []
            hosts = [f"[{each}]" if ":" in each else each for each in hosts]
            hosts.append(f"{hostname().partition('.')[0].lower()}.local")
        else:
            hosts = [host]
        found += [f"{scheme}://{each}:{port}" for each in hosts]
    found.sort(key=lambda url: any(f"//{host}:" in url for host in _LOOPBACK))
    return list(dict.fromkeys(found))
