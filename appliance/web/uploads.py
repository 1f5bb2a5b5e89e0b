"""Receive request bodies: small ones in memory, models as files inside the state folder, which never outlive a request.

The space on the disk is checked before the first byte and while the file grows, so a full disk leaves nothing behind.
"""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from appliance.errors import DiskFullError, RequestError, describe_os_error
from appliance.transport.disk_space import CHECK_EVERY_BYTES, require_free_space

_FORM = b"--"
"""The first bytes of multipart/form-data, which `curl --form` sends."""
_ZIP = b"PK\x03\x04"
_HEAD_BYTES = 8
_TFLITE = slice(4, 8)


async def receive_bytes(request: Request, limit: int) -> bytes:
    """Return the body.

    Raises:
        RequestError: It has no length, is empty, larger than the limit, or was cut off.
    """
    require_length(request)
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > limit:
                raise RequestError(413, f"the body is larger than the limit of {limit} bytes")
            parts.append(part)
    except ClientDisconnect as error:
        raise RequestError(400, "the upload was cut off; send it again") from error
    if not size:
        raise RequestError(400, "the body is empty; send the file as the body")
    return b"".join(parts)


@asynccontextmanager
async def receive_file(request: Request, folder: Path, refusal: str) -> AsyncIterator[Path]:
    """Yield the body as a file: a .zip, or a .tflite by its first bytes. It is removed at the end of the block.

    Args:
        request: The request.
        folder: The folder for the file.
        refusal: The sentence about a file that is neither.

    Raises:
        RequestError: It has no length, is neither, was cut off, or does not fit on the disk.
    """
    size = require_length(request)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        require_free_space(folder, size)
        with tempfile.TemporaryDirectory(prefix="upload-", dir=folder) as place:
            path = Path(place) / "model"
            await _write(request, path, folder)
            yield path.rename(path.with_suffix(_find_suffix(path, refusal)))
    except ClientDisconnect as error:
        raise RequestError(400, "the upload was cut off; send it again") from error
    except DiskFullError as error:
        raise RequestError(507, str(error)) from error
    except OSError as error:
        raise RequestError(507, f"the upload cannot be written: {describe_os_error(error)}") from error


def require_length(request: Request) -> int:
    """Return the length that the request states.

    Raises:
        RequestError: It states none.
    """
    text = request.headers.get("content-length", "")
    if not text.isdigit():
        raise RequestError(411, "send the file as the body, with a Content-Length")
    return int(text)


async def _write(request: Request, path: Path, folder: Path) -> None:
    unchecked = 0
    with path.open("xb") as file:
        async for part in request.stream():
            await run_in_threadpool(file.write, part)
            unchecked += len(part)
            if unchecked >= CHECK_EVERY_BYTES:
                unchecked = 0
                await run_in_threadpool(require_free_space, folder, None)


def _find_suffix(path: Path, refusal: str) -> str:
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head.startswith(_ZIP):
        return ".zip"
    if head[_TFLITE] == b"TFL3":
        return ".tflite"
    if head.startswith(_FORM):
        raise RequestError(422, "this is a form; send the file itself as the body, with curl: --data-binary @FILE")
    raise RequestError(422, refusal)
