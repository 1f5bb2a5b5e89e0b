"""Send single requests over kept connections, with cookies, a login and a trust; http.py adds the limits."""

import contextlib
import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from appliance import __version__
from appliance.system.urls import is_loopback
from appliance.transport.login import Login
from appliance.transport.sockets import OpenSockets
from appliance.transport.trust import Trust, create_tls_client_context

_CHUNK_BYTES = 64 * 1024
_MAX_DRAINED_BYTES = 64 * 1024  # of a response that is not used, so that its connection can be kept
_MAX_COOKIES = 100


class SessionState:
    """What a server remembers a client by: its cookies, and the challenge that the login answers.

    A client that is created again with the same state continues the session instead of opening another one.
    """

    def __init__(self, login: Login | None = None):
        self.login = login
        self.cookies = requests.cookies.RequestsCookieJar()


class HttpSession:
    """The state that requests share: connections, cookies, and the server's challenge for the login."""

    def __init__(self, sockets: OpenSockets, trust: Trust, state: SessionState, connect_s: float, silence_s: float):
        """Prepare the session.

        Args:
            sockets: Registers every connection.
            trust: Whose certificates are trusted.
            state: Cookies and login.
            connect_s: The time limit for connecting.
            silence_s: The time limit between two bytes.

        Raises:
            SettingsError: The file of authorities cannot be used.
        """
        # Its lines contain queries, in which cameras and servers may expect a password.
        logging.getLogger("urllib3").setLevel(logging.ERROR)
        self._trust, self._login = trust, state.login
        self._connect_s, self._silence_s = connect_s, silence_s
        self._session = requests.Session()
        self._session.cookies = state.cookies
        self._session.trust_env = False  # True would send the passwords in .netrc; _send reads the proxies
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, _Adapter(sockets, trust))
        self._session.headers.update({"User-Agent": f"camera-appliance/{__version__}", "Accept-Encoding": "identity"})

    def send(
        self,
        stack: contextlib.ExitStack,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Any,
        uses_login: bool,
    ) -> requests.Response:
        """Send a request; if the server asks for the login, repeat it once with the login. `stack` closes it."""
        login = self._login if uses_login else None
        response = stack.enter_context(self._send(method, url, headers, body, login))
        challenge = response.headers.get("www-authenticate", "")
        if response.status_code != 401 or login is None or not login.accept_challenge(challenge):
            return response
        drained_bytes = 0
        while drained_bytes < _MAX_DRAINED_BYTES and (chunk := response.raw.read1(_CHUNK_BYTES)):
            drained_bytes += len(chunk)
        response.close()
        return stack.enter_context(self._send(method, url, headers, body, login))

    def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: Any, login: Login | None
    ) -> requests.Response:
        proxies = {} if is_loopback(urlsplit(url).hostname or "") else requests.utils.get_environ_proxies(url)
        if len(self._session.cookies) > _MAX_COOKIES:
            self._session.cookies.clear()
        request = self._session.prepare_request(requests.Request(method, url, headers=dict(headers), json=body))
        if login and (authorization := login.make_header(method, request.path_url)):
            request.headers["Authorization"] = authorization
        return self._session.send(
            request,
            stream=True,
            timeout=(self._connect_s, self._silence_s),
            allow_redirects=False,
            proxies=proxies,
            verify=self._trust.fingerprint is None,
        )

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


class _Adapter(HTTPAdapter):
    """Registers the sockets of its connections, and trusts what `trust` says instead of certifi's list."""

    def __init__(self, sockets: OpenSockets, trust: Trust):
        self._sockets = sockets
        self._tls_options: dict[str, Any] = {"ssl_context": create_tls_client_context(trust)}
        if trust.fingerprint:
            self._tls_options["assert_fingerprint"] = trust.fingerprint
        super().__init__(pool_connections=4, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **{**options, **self._tls_options})
        self._sockets.watch(self.poolmanager)

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(*arguments, **{**options, **self._tls_options})
        self._sockets.watch(manager)
        return manager

    def cert_verify(self, *arguments: Any, **options: Any) -> None:
        """Do not add certifi's list; the context already has the authorities."""
