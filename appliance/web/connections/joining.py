"""Send the header of an answer with its body: uvicorn writes them one by one, and each write is a packet.

That wakes the client twice, and takes 0.1 ms of processor time on a PC.
"""

import asyncio
from typing import Any

_ANSWER, _LENGTH = b"HTTP/1.1 ", b"\r\ncontent-length: "


class JoiningTransport:
    """A transport that holds the header of an answer that states its length until the next write.

    The body of such an answer follows at once. A stream states no length, so its header is not held.
    """

    def __init__(self, transport: asyncio.Transport):
        """Wrap a transport, which has all other methods."""
        self._transport = transport
        self._held = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send bytes after those that are held, or hold them."""
        held, self._held = self._held, b""
        if not held and data.startswith(_ANSWER) and _LENGTH in data:
            self._held = data
        else:
            self._transport.write(held + data if held else data)

    def close(self) -> None:
        """Send what is held, and close the connection."""
        if self._held:
            self.write(b"")
        self._transport.close()
