"""Build the application: the routes behind the guard, and one sentence for every error."""

import logging
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from appliance import __version__
from appliance.errors import (
    ApplianceError,
    BundleError,
    ControlError,
    HistoryError,
    LabelOptionError,
    PictureError,
    RequestError,
    StoreError,
    UpdateError,
)
from appliance.system.foreign_text import clean_text
from appliance.web.access.sign_in_limit import SignInLimit
from appliance.web.access.store import AccessStore
from appliance.web.device import PageDevice
from appliance.web.guard import Guard
from appliance.web.live.feed import LiveFeed
from appliance.web.live.pictures import FramePictures
from appliance.web.predict.predictor import Predictor
from appliance.web.routes import dataset, events, metrics, model, now, page, predict, session, training
from appliance.web.routes import device as device_routes
from appliance.web.routes.context import WebContext
from appliance.web.routes.errors import describe_invalid

log = logging.getLogger("appliance.web")

_MAX_ERROR = 1000
_DESCRIPTION = (
    "Sign in with a bearer token (appliance web --new-token NAME). Errors are an object with one sentence: "
    '{"error": "…"}.'
)
_STATUS = (
    (BundleError, 422),
    (PictureError, 422),
    (LabelOptionError, 400),
    (HistoryError, 503),
    (StoreError, 409),
    (UpdateError, 502),
    (ControlError, 409),
)


@dataclass(frozen=True, slots=True)
class WebApp:
    """The application, and what lives as long as it.

    Attributes:
        guard: The ASGI application.
        feed: Distributes what changes.
        pictures: Encodes frames.
        predictor: Labels pictures of clients.
    """

    guard: Guard
    feed: LiveFeed
    pictures: FramePictures
    predictor: Predictor


def build_app(
    device: PageDevice, access: AccessStore, folder: Path, public_url: str | None = None, max_model_bytes: int = 2**28
) -> WebApp:
    """Build the application.

    Args:
        device: The running device.
        access: The sessions and tokens.
        folder: A folder inside the state folder for uploads.
        public_url: The setting web.public_url.
        max_model_bytes: The greatest size of an uploaded model.
    """
    pictures = FramePictures(device.latest_frame)
    feed = LiveFeed(access, device.describe_status, device.describe_labels, pictures)
    predictor = Predictor(device.active_bundle, device.open_labeler)
    limit = SignInLimit()
    cookie_name = f"appliance_{device.device_id}"
    app = FastAPI(
        title="Camera appliance", version=__version__, description=_DESCRIPTION,
        openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False,
    )  # fmt: skip
    app.state.context = WebContext(
        device, access, limit, feed, pictures, predictor, folder, cookie_name, public_url
    )  # fmt: skip
    # Clients predict many times a second, and searching a router that is included takes longer than searching routes.
    app.router.routes.extend(predict.router.routes)
    for router in (
        page.router, session.router, now.router, events.router, model.router, device_routes.router,
        metrics.router, dataset.router, training.router,
    ):  # fmt: skip
        app.include_router(router)
    _handle_errors(app)
    return WebApp(Guard(app, access, cookie_name, public_url, limit, max_model_bytes), feed, pictures, predictor)


def _handle_errors(app: FastAPI) -> None:
    async def answer_appliance_error(_: Request, error: Exception) -> Response:
        status = error.status if isinstance(error, RequestError) else _find_status(error)
        return _answer(status, str(error))

    async def answer_http_error(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        sentences = {
            400: "the request is not valid: its body cannot be read as JSON",
            404: f"there is nothing at {request.url.path}",
            405: f"{request.method} is not possible here",
        }
        headers = error.headers if isinstance(error, HTTPException) else None
        return _answer(status, sentences.get(status, str(getattr(error, "detail", error))), dict(headers or {}))

    async def answer_invalid(_: Request, error: Exception) -> Response:
        return _answer(422, describe_invalid(error.errors() if isinstance(error, RequestValidationError) else ()))

    async def answer_unexpected(request: Request, error: Exception) -> Response:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return _answer(500, "this request failed; see the log of the device")

    app.add_exception_handler(ApplianceError, answer_appliance_error)
    app.add_exception_handler(HTTPException, answer_http_error)
    app.add_exception_handler(RequestValidationError, answer_invalid)
    app.add_exception_handler(Exception, answer_unexpected)


def _find_status(error: Exception) -> int:
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 409)


def _answer(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": clean_text(sentence, _MAX_ERROR)}, status, headers)
