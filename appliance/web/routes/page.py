"""The files of the page, the description of the API, and the health of the server."""

import hashlib
from pathlib import Path as FilePath
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import JSONResponse

from appliance.errors import RequestError
from appliance.web.routes.errors import RESPONSES

router = APIRouter(tags=["page"], responses=RESPONSES)

FOLDER = FilePath(__file__).resolve().parents[1] / "page"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
}


@router.get("/healthz", status_code=204)
def get_health() -> Response:
    """Answer that the server runs."""
    return Response(status_code=204)


@router.get("/api/openapi.json", include_in_schema=False)
def get_description(request: Request) -> JSONResponse:
    """Return the description of the API.

    FastAPI's own path would make it on the event loop, and delay everything else: by seconds on a slow machine.
    """
    return JSONResponse(request.app.openapi())


@router.get("/", response_class=Response, responses={200: {"content": {"text/html": {}}}})
def get_index(request: Request) -> Response:
    """Return the page; without a session, it asks to sign in."""
    return _send(request, "index.html")


@router.get("/page/{name}", response_class=Response)
def get_file(request: Request, name: Annotated[str, Path(max_length=100)]) -> Response:
    """Return a file of the page."""
    return _send(request, name)


@router.get("/favicon.ico", response_class=Response)
def get_icon(request: Request) -> Response:
    """Return the icon of the page."""
    return _send(request, "icon.svg")


def _send(request: Request, name: str) -> Response:
    # Only names in the folder's own listing exist, so no name can lead out of it.
    files = {path.name: path for path in FOLDER.iterdir() if path.is_file() and not path.is_symlink()}
    path = files.get(name)
    if path is None or path.suffix not in _TYPES:
        raise RequestError(404, "the page has no such file")
    data = path.read_bytes()
    tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=_TYPES[path.suffix], headers=headers)
