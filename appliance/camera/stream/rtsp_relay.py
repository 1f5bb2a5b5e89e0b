"""Pass RTSP between libav and a camera: log in, check the certificate, and know why a connection fails.

libav limits the password to 127 characters, knows only Digest with MD5, sends nothing for a user without a password,
cannot trust a single certificate, does not report why a request failed, and cannot be interrupted while it waits. So
libav connects to a socket on loopback, and this module, which holds the password, to the camera. Only requests are
changed: the address, CSeq and Authorization. Pictures pass unchanged; over UDP they do not pass here at all.
"""

import contextlib
import secrets
import select
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from appliance.camera.network.client import describe_camera_certificate
from appliance.camera.stream.address import DEFAULT_PORTS, CameraAddress
from appliance.camera.stream.rtsp_messages import RtspFormatError, RtspMessage, RtspSplitter
from appliance.errors import CameraAbsentError, CameraBusyError, CameraError, CameraStalledError
from appliance.system.foreign_text import clean_text
from appliance.transport.login import Login, describe_schemes
from appliance.transport.trust import (
    Trust,
    create_tls_client_context,
    format_fingerprint,
    normalize_fingerprint,
)

CONNECT_LIMIT_S = 4.0
REPLY_LIMIT_S = 8.0  # for the reply to a request, and for sending one
MAX_REDIRECTS = 3
MAX_UNANSWERED = 16  # requests; some cameras never answer those that keep the session open
# Waking up for each packet would cost more than passing it on. The delay is small beside that of the wanted rate.
COLLECT_PERIODS, LONGEST_COLLECT_S = 0.05, 0.2
_CHUNK_BYTES = 256 * 1024
_POLL_S = 0.5
_CHECK_NETWORK = "check the camera and the network"


@dataclass(slots=True)
class _SentRequest:
    """A request that the camera has not answered yet."""

    message: RtspMessage
    method: str
    cseq: str  # libav's own
    sent_s: float


class RtspRelay:
    """One connection of libav to one camera.

    Attributes:
        url: The address for libav.
        failure: Why the connection failed, as far as this module knows; None otherwise.
    """

    def __init__(self, address: CameraAddress, source: str, login: Login | None, trust: Trust, *, fps: float = 5.0):
        """Connect to the camera, and listen for libav.

        Args:
            address: The camera's address.
            source: The same as in the settings, without credentials.
            login: User name and password; None without a user name.
            trust: Whose certificates are trusted, for rtsps.
            fps: Wanted frames per second.

        Raises:
            CameraAbsentError, CameraStalledError: The camera cannot be reached.
        """
        self.failure: CameraError | None = None
        self._address, self._name = address, address.display_url
        self._has_login = login is not None
        self._login, self._trust = login, trust
        self._host = address.host
        self._collect_s = min(COLLECT_PERIODS / fps, LONGEST_COLLECT_S)
        self._target = source
        self._camera = self._connect(address.scheme, address.host, address.port)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1)
        self._libav: socket.socket | None = None
        # The token keeps other local programs from using the camera's login.
        self.url = f"rtsp://127.0.0.1:{self._listener.getsockname()[1]}/{secrets.token_hex(16)}"
        self._number = 0
        self._redirects = 0
        self._has_played = False
        self._sent: dict[str, _SentRequest] = {}
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="RTSP relay", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Disconnect; a call of libav that waits for the camera fails at once."""
        self._is_closing.set()
        for each in (self._listener, self._libav, self._camera):
            if each is not None:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
        self._thread.join(REPLY_LIMIT_S)

    def _connect(self, scheme: str, host: str, port: int) -> socket.socket:
        camera: socket.socket | None = None
        try:
            camera = socket.create_connection((host, port), timeout=CONNECT_LIMIT_S)
            camera.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if scheme == "rtsps":
                camera = self._encrypt(camera, host)
            camera.setblocking(False)
        except (OSError, ValueError, CameraError) as error:
            if camera is not None:
                camera.close()
            failure = error if isinstance(error, CameraError) else self._describe_connection(error, host, port)
        else:
            return camera
        try:
            raise failure
        finally:
            del failure  # else this frame and the error's traceback would keep each other alive

    def _encrypt(self, camera: socket.socket, host: str) -> ssl.SSLSocket:
        encrypted = create_tls_client_context(self._trust).wrap_socket(camera, server_hostname=host)
        if wanted := self._trust.fingerprint:
            certificate = encrypted.getpeercert(binary_form=True) or b""
            shown = format_fingerprint(certificate)
            if normalize_fingerprint(shown) != normalize_fingerprint(wanted):
                encrypted.close()
                raise CameraAbsentError(
                    f"{self._name} shows another certificate than the one in camera.tls_fingerprint; if the camera was"
                    f" reset or replaced, set it to {shown}"
                )
        return encrypted

    def _describe_connection(self, error: Exception, host: str, port: int) -> CameraError:
        if isinstance(error, ssl.SSLCertVerificationError):
            fault = describe_camera_certificate(error, self._address, self._trust)
            return CameraAbsentError(f"{self._name}: {fault}")
        if isinstance(error, TimeoutError):
            return CameraStalledError(f"{self._name} does not answer in time; {_CHECK_NETWORK}")
        if isinstance(error, ssl.SSLError):
            return CameraAbsentError(
                f"{self._name} does not answer with TLS on port {port}; use rtsp:// or another port"
            )
        if isinstance(error, ConnectionRefusedError):
            return CameraAbsentError(
                f"{self._name}: nothing listens on port {port} of {host};"
                " check that the camera is on and the port is correct"
            )
        return CameraAbsentError(f"{self._name}: {host} cannot be reached; check the camera's cable and the network")

    def _run(self) -> None:
        """Run the thread: pass on messages until either end closes."""
        try:
            self._relay()
        except CameraError as error:
            self._fail(error)
        except RtspFormatError as error:
            self._fail(CameraAbsentError(f"{self._name} {error}; check the port and the path in camera.source"))
        except OSError:
            self._fail(CameraAbsentError(f"{self._name} interrupted the stream; {_CHECK_NETWORK}"))
        finally:
            for each in (self._listener, self._libav, self._camera):
                if each is not None:
                    each.close()

    def _fail(self, error: CameraError) -> None:
        if self.failure is None and not self._is_closing.is_set():
            self.failure = type(error)(*error.args)  # a copy, because its traceback would keep this object alive

    def _relay(self) -> None:
        self._listener.settimeout(REPLY_LIMIT_S)
        libav, _ = self._listener.accept()
        self._libav = libav
        self._listener.close()
        if self._is_closing.is_set():
            return
        libav.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        libav.settimeout(REPLY_LIMIT_S)
        from_libav, self._from_camera = RtspSplitter(), RtspSplitter()
        while not self._is_closing.is_set():
            has_data = isinstance(self._camera, ssl.SSLSocket) and self._camera.pending() > 0
            ready = select.select([libav, self._camera], [], [], 0 if has_data else _POLL_S)[0]
            if libav in ready:
                if not (data := libav.recv(_CHUNK_BYTES)):
                    return
                for part in from_libav.add(data):
                    self._send(part) if isinstance(part, bytes) else self._pass_request(part)
            if (has_data or self._camera in ready) and not self._pass_replies(libav):
                return
            if self._has_played:
                self._is_closing.wait(self._collect_s)  # so that many small packets are passed on at once
            self._check_replies()

    def _pass_replies(self, libav: socket.socket) -> bool:
        """Pass on what the camera sent; return False if the camera closed the connection."""
        try:
            data = self._camera.recv(_CHUNK_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return True
        if not data:
            self._from_camera.check_end()
            self._fail(CameraAbsentError(f"{self._name} ended the stream; {_CHECK_NETWORK}"))
            return False
        for part in self._from_camera.add(data):
            if isinstance(part, bytes):
                libav.sendall(part)
            elif reply := self._handle_reply(part):
                libav.sendall(reply.encode())
        return True

    def _check_replies(self) -> None:
        oldest_s = min((request.sent_s for request in self._sent.values()), default=None)
        if oldest_s is not None and time.monotonic() - oldest_s > REPLY_LIMIT_S and not self._has_played:
            raise CameraStalledError(
                f"{self._name} accepts connections, but does not answer RTSP requests;"
                " check the port in camera.source, and restart the camera"
            )

    def _pass_request(self, message: RtspMessage) -> None:
        method, _, rest = message.first.partition(" ")
        uri = rest.rpartition(" ")[0]
        if not self._number and not uri.startswith(self.url):
            raise OSError("a foreign program connected")
        if uri.startswith(self.url):
            uri = self._target + uri[len(self.url) :]
            message.first = f"{method} {uri} RTSP/1.0"
        cseq = (message.values("CSeq") or ["0"])[0]
        self._send_request(_SentRequest(message, method, cseq, 0.0))

    def _send_request(self, request: _SentRequest) -> None:
        self._number += 1
        message = request.message
        message.set("CSeq", str(self._number))
        uri = message.first.split(" ")[1]
        if self._login and (header := self._login.make_header(request.method, uri)):
            message.set("Authorization", header)
        request.sent_s = time.monotonic()
        self._sent[str(self._number)] = request
        if len(self._sent) > MAX_UNANSWERED:
            del self._sent[next(iter(self._sent))]
        self._send(message.encode())

    def _send(self, data: bytes) -> None:
        until_s = time.monotonic() + REPLY_LIMIT_S
        left = memoryview(data)
        while left:
            try:
                left = left[self._camera.send(left) :]
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                if time.monotonic() > until_s:
                    raise TimeoutError from None
                select.select([], [self._camera], [], _POLL_S)

    def _handle_reply(self, reply: RtspMessage) -> RtspMessage | None:
        """Return the message for libav; None if the request was sent again."""
        request = self._sent.pop((reply.values("CSeq") or [""])[0], None)
        status = reply.status
        if status is None or request is None:
            return reply  # a request of the camera, or a reply that is not expected
        if status == 401 and self._login and self._login.accept_challenge(", ".join(reply.values("WWW-Authenticate"))):
            self._send_request(request)
            return None
        if status in (301, 302, 303, 305, 307) and self._follow(request, reply):
            self._send_request(request)
            return None
        self._note_reply(request, reply, status)
        reply.set("CSeq", request.cseq)
        self._name_source(reply)
        return reply

    def _follow(self, request: _SentRequest, reply: RtspMessage) -> bool:
        """Connect to the address to which the camera redirects; return False if that is not possible."""
        location = (reply.values("Location") or [""])[0]
        split = urlsplit(location)
        if split.scheme not in ("rtsp", "rtsps") or not split.hostname or self._redirects == MAX_REDIRECTS:
            return False
        self._redirects += 1
        if split.hostname != self._host:
            self._login = None  # the password is for the camera in the settings only
        camera = self._connect(split.scheme, split.hostname, split.port or DEFAULT_PORTS[split.scheme])
        self._camera.close()
        request.message.first = request.message.first.replace(self._target, location, 1)
        self._camera, self._host, self._target = camera, split.hostname, location
        self._from_camera = RtspSplitter()
        return True

    def _name_source(self, reply: RtspMessage) -> None:
        """Tell libav the sender of UDP packets, which it takes for the peer of its connection otherwise."""
        for transport in reply.values("Transport"):
            if "server_port" in transport and "source=" not in transport:
                reply.set("Transport", f"{transport};source={self._camera.getpeername()[0]}")

    def _note_reply(self, request: _SentRequest, reply: RtspMessage, status: int) -> None:
        if request.method == "PLAY" and status == 200:
            self._has_played = True
        if request.method == "DESCRIBE" and status == 200 and b"m=video" not in reply.body:
            offers = "only sound" if b"m=audio" in reply.body else "no video"
            self._fail(CameraAbsentError(f"{self._name} offers {offers}; check the path in camera.source"))
        elif status >= 300 and request.method in ("DESCRIBE", "SETUP", "PLAY") and status != 461:
            self._fail(self._describe_status(request, reply, status))

    def _describe_status(  # noqa: PLR0911 - one sentence for each status
        self, request: _SentRequest, reply: RtspMessage, status: int
    ) -> CameraError:
        name = self._name
        if status == 401 and not self._has_login:
            return CameraAbsentError(
                f"{name} requires a user name and a password; set camera.username and camera.password_file"
            )
        if status == 401:
            offered = ", ".join(reply.values("WWW-Authenticate"))
            if "Authorization" not in dict(request.message.headers):
                return CameraAbsentError(
                    f"{name} requires a login that is not supported ({describe_schemes(offered) or 'none is named'});"
                    " allow Digest or Basic in the camera's settings"
                )
            return CameraAbsentError(
                f"{name} rejects the user name or the password; check camera.username and the file in"
                " camera.password_file"
            )
        if status == 403:
            return CameraAbsentError(f"{name} denies access (403); check the user's rights in the camera's settings")
        if status == 404:
            return CameraAbsentError(f"{name} does not exist (404); check the path in camera.source")
        if status in (453, 503):
            return CameraBusyError(
                f"{name} serves too many other clients ({status}); disconnect some, or use the camera's sub-stream"
            )
        text = clean_text(reply.first.partition(" ")[2], 60)
        return CameraAbsentError(
            f"{name} rejects the request {request.method} ({text}); check the path in camera.source"
        )
