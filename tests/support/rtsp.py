"""An RTSP camera on loopback that misbehaves on request."""

import base64
import contextlib
import hashlib
import re
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

import av
import numpy as np

from support.streams import RED, plain

SESSION_SDP = b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=cam\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"


class RtspCamera(socketserver.ThreadingTCPServer):
    """A small RTSP server with real video in RTP, packed by libav's own muxer, over TCP or (tcp = False) UDP.

    `color` is the color of its picture; `silent`, `mute` and `drop()` are its faults; `password` makes it require
    credentials of the kind `login` (`digest`, `digest-sha-256`, `basic`, `negotiate`).
    """

    daemon_threads = True
    allow_reuse_address = True
    user = "viewer"

    def __init__(
        self,
        tcp: bool = True,
        password: str | None = None,
        *,
        login: str = "digest",
        size: tuple[int, int] = (320, 240),
        fps: float = 20,
        key_every: int = 10,
        codec: str = "libx264",
        bit_rate: int = 1_000_000,
        media: str = "video",
        loses: Callable[[int], bool] = lambda number: False,
        picture: Callable[[int], np.ndarray] | None = None,
        redirect: str | None = None,
        context: ssl.SSLContext | None = None,
    ):
        super().__init__(("127.0.0.1", 0), _RtspHandler)
        self.bit_rate = bit_rate
        self.tcp, self.password, self.login = tcp, password, login
        self.size, self.fps, self.key_every, self.codec, self.media = size, fps, key_every, codec, media
        self.loses, self.picture, self.redirect, self.context = loses, picture, redirect, context
        self.color: Sequence[int] = RED
        self.silent = threading.Event()
        self.mute = threading.Event()  # answers nothing
        self.over = threading.Event()
        self.requests: list[str] = []
        self.transports: list[str] = []
        self.sessions: list[socket.socket] = []
        self.first_frame = 0  # the stream begins with this frame of the encoder

    @property
    def url(self) -> str:
        scheme = "rtsps" if self.context else "rtsp"
        return f"{scheme}://127.0.0.1:{self.server_address[1]}/cam"

    def get_request(self):
        """Accept a connection; with a context, encrypt it."""
        connection, peer = super().get_request()
        return (self.context.wrap_socket(connection, server_side=True) if self.context else connection), peer

    def drop(self) -> None:
        """Cut every connection, like a camera that loses power."""
        sessions, self.sessions = self.sessions, []
        for session in sessions:
            with contextlib.suppress(OSError):
                session.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request, client_address) -> None:
        """Ignore clients that disconnect."""


class _RtspHandler(socketserver.StreamRequestHandler):
    server: RtspCamera

    def handle(self) -> None:
        self.server.sessions.append(self.connection)
        self.sending = threading.Lock()
        self.over = threading.Event()
        self.udp_port: int | None = None
        self.sent = 0
        try:
            while request := self._request():
                if not self.server.mute.is_set():
                    self._answer(*request)
        finally:
            self.over.set()

    def _request(self) -> tuple[str, str, dict[str, str]] | None:
        while (first := self.rfile.read(1)) == b"$":  # the client's RTCP
            self.rfile.read(int.from_bytes(self.rfile.read(3)[1:]))
        lines = [first + self.rfile.readline()]
        while lines[-1].strip():
            lines.append(self.rfile.readline())
        if not lines[0].strip():
            return None
        method, url, _ = lines[0].decode().split(" ", 2)
        return method, url, {k.lower(): v.strip() for k, _, v in (line.decode().partition(":") for line in lines[1:-1])}

    def _answer(self, method: str, url: str, headers: dict[str, str]) -> None:
        self.server.requests.append(method)
        reply, body, status = {"CSeq": headers["cseq"]}, b"", "200 OK"
        if method == "OPTIONS":
            reply["Public"] = "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN"
        elif self.server.redirect and method == "DESCRIBE":
            status, reply["Location"] = "302 Moved", self.server.redirect
        elif not self._allowed(method, headers.get("authorization", "")):
            status, reply["WWW-Authenticate"] = "401 Unauthorized", _CHALLENGES[self.server.login]
        elif not url.startswith(self.server.url):
            status = "404 Not Found"
        elif method == "DESCRIBE":
            body = SESSION_SDP + self._describe_media()
            reply |= {"Content-Type": "application/sdp", "Content-Base": self.server.url + "/"}
        elif method == "SETUP":
            transport = headers["transport"]
            self.server.transports.append(transport)
            if ("TCP" in transport) != self.server.tcp:
                status = "461 Unsupported Transport"
            else:
                port = re.search(r"client_port=(\d+)", transport)
                self.udp_port = int(port[1]) if port else None
                reply |= {"Transport": transport + (";server_port=6970-6971" if port else ""), "Session": "1"}
        elif method == "PLAY":
            reply["Session"] = "1"
            threading.Thread(target=self._play, daemon=True).start()
        lines = [f"RTSP/1.0 {status}", *(f"{k}: {v}" for k, v in reply.items()), f"Content-Length: {len(body)}", "", ""]
        with self.sending:
            self.wfile.write("\r\n".join(lines).encode() + body)

    def _describe_media(self) -> bytes:
        if self.server.media == "audio":
            return b"m=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=control:track\r\n"
        name = {"libx265": b"H265", "libvpx": b"VP8"}.get(self.server.codec, b"H264")
        parameters = b"a=fmtp:96 packetization-mode=1\r\n" if name == b"H264" else b""
        return b"m=video 0 RTP/AVP 96\r\na=rtpmap:96 " + name + b"/90000\r\n" + parameters + b"a=control:track\r\n"

    def _allowed(self, method: str, sent: str) -> bool:
        server = self.server
        if server.password is None:
            return True
        if server.login == "basic":
            return sent == "Basic " + base64.b64encode(f"{server.user}:{server.password}".encode()).decode()
        fields = dict(re.findall(r'(\w+)="([^"]*)"', sent))
        if not fields:
            return False

        def digest(text: str) -> str:
            data = text.encode()
            hashed = hashlib.sha256(data) if server.login == "digest-sha-256" else hashlib.md5(data)
            return hashed.hexdigest()

        secret = digest(f"{server.user}:cam:{server.password}")
        return fields.get("response") == digest(f"{secret}:8b1f0d:{digest(method + ':' + fields['uri'])}")

    def _play(self) -> None:
        """Let libav pack RTP for a local socket, and forward each packet."""
        server = self.server
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as relay,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out,
        ):
            relay.bind(("127.0.0.1", 0))
            relay.setblocking(False)
            rtp = av.open(f"rtp://127.0.0.1:{relay.getsockname()[1]}?pkt_size=1200", "w", format="rtp")
            stream = rtp.add_stream(
                server.codec, rate=Fraction(server.fps).limit_denominator(1000), options=self._encoder_options()
            )
            stream.width, stream.height, stream.pix_fmt = *server.size, "yuv420p"
            stream.bit_rate = server.bit_rate
            number, due_s = 0, time.monotonic()
            with contextlib.suppress(OSError):
                while not (self.over.wait(max(0.0, due_s - time.monotonic())) or server.over.is_set()):
                    is_early = number < server.first_frame
                    due_s = due_s if is_early else max(due_s + 1 / server.fps, time.monotonic())
                    if server.silent.is_set():
                        continue
                    pixels = server.picture(number) if server.picture else plain(server.color, *server.size)
                    rtp.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
                    with contextlib.suppress(BlockingIOError):
                        while packet := relay.recv(2048):
                            if not is_early:
                                self._pass_on(packet, out)
                    number += 1

    def _encoder_options(self) -> dict[str, str]:
        keys = str(self.server.key_every)
        if self.server.codec == "libvpx":
            return {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "g": keys, "keyint_min": keys}
        if self.server.codec == "libx265":
            values = f"keyint={keys}:min-keyint={keys}:bframes=0:repeat-headers=1:log-level=none"
            return {"tune": "zerolatency", "x265-params": values}
        return {
            "tune": "zerolatency",
            "preset": "ultrafast",
            "g": keys,
            "x264-params": f"repeat-headers=1:keyint={keys}:min-keyint={keys}:scenecut=0",
        }

    def _pass_on(self, packet: bytes, out: socket.socket) -> None:
        self.sent += 1
        if self.server.loses(self.sent):
            return
        if self.udp_port:
            out.sendto(packet, ("127.0.0.1", self.udp_port))
        else:
            with self.sending:
                self.wfile.write(b"$\x00" + len(packet).to_bytes(2) + packet)


_CHALLENGES = {
    "digest": 'Digest realm="cam", nonce="8b1f0d"',
    "digest-sha-256": 'Digest realm="cam", nonce="8b1f0d", algorithm=SHA-256',
    "basic": 'Basic realm="cam"',
    "negotiate": "Negotiate",
}


@contextlib.contextmanager
def rtsp_camera(**faults) -> Iterator[RtspCamera]:
    """Run an RTSP camera for the duration of the block."""
    with RtspCamera(**faults) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.drop()
            server.shutdown()
            thread.join()
