"""The model: what runs, updates, uploads, and trying a picture."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from appliance.bundle.input_spec import DeclaredInput, ResizeMode, check_normalization, convert_range
from appliance.errors import RequestError
from appliance.system.foreign_text import clean_text
from appliance.web.limits import MAX_PICTURE_BODY
from appliance.web.markdown import render_markdown
from appliance.web.predict.pictures import decode_picture
from appliance.web.routes.context import Context
from appliance.web.routes.errors import RESPONSES
from appliance.web.uploads import receive_bytes, receive_file

router = APIRouter(prefix="/api/model", tags=["model"], responses=RESPONSES)

# The report computes its figures in scripts of its own; the sandbox keeps them from the session and the network.
_REPORT_CSP = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; sandbox allow-scripts"
)
_REFUSAL = "this file is neither a .zip nor a .tflite model; upload a model bundle"
# Larger than the input of any model for this device.
_TRIED_PX = 640
_CONTENT = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_BINARY = {"requestBody": {"required": True, "content": _CONTENT}}


class Install(BaseModel):
    """The version to install: `latest`, or one that the source offers."""

    version: str = Field("latest", min_length=1, max_length=64)


@router.get("")
def get_model(context: Context) -> dict[str, Any]:
    """Return the running model, its card as HTML, and the models on the device."""
    model = context.device.describe_model()
    card = model["card"]
    return model | {"card": render_markdown(card) if card is not None else None}


@router.get("/report", response_class=Response, responses={200: {"content": {"text/html": {}}}})
def get_report(context: Context) -> Response:
    """Return the evaluation report of the running model, in a sandbox without access to the page and the network."""
    report = context.device.read_report()
    if report is None:
        raise RequestError(404, "this model has no evaluation report")
    return Response(report, media_type="text/html; charset=utf-8", headers={"Content-Security-Policy": _REPORT_CSP})


@router.post("", openapi_extra=_BINARY)
async def upload_model(
    request: Request,
    context: Context,
    name: Annotated[str, Query(max_length=200, description="The name of the file, for messages.")] = "the upload",
    input_range: Annotated[str | None, Query(max_length=40, examples=["0..255"])] = None,
    resize: ResizeMode | None = None,
) -> dict[str, Any]:
    """Install a bundle (.zip or .tflite as the body): it is checked, run in another process, and swapped in."""
    if reason := context.device.upload_blocked_reason:
        raise RequestError(403, reason)
    options = _parse_options(input_range, resize)
    async with receive_file(request, context.uploads, _REFUSAL) as path:
        return await run_in_threadpool(context.device.install_model, path, options, _clean_name(name))


@router.post("/check")
def check(context: Context) -> dict[str, Any]:
    """Look for a newer model now."""
    return _as_object(context.device.execute("check"))


@router.post("/install")
def install(context: Context, body: Install | None = None) -> dict[str, Any]:
    """Install the offered model; the answer comes after the swap."""
    return _as_object(context.device.execute("install", body.version if body else "latest"))


@router.post("/rollback")
def roll_back(context: Context) -> dict[str, Any]:
    """Go back to the previous model."""
    return _as_object(context.device.execute("rollback"))


@router.post("/try", openapi_extra=_BINARY)
async def try_picture(request: Request, context: Context) -> dict[str, Any]:
    """Label one picture (the body); with an assumed input range, also under each range that a model may expect."""
    data = await receive_bytes(request, MAX_PICTURE_BODY)
    pixels = await run_in_threadpool(decode_picture, data, "the picture", _TRIED_PX)
    return await run_in_threadpool(context.predictor.try_picture, pixels)


def _as_object(answer: Any) -> dict[str, Any]:
    return answer if isinstance(answer, dict) else {"ok": True}


def _clean_name(name: str) -> str:
    return clean_text(name.rpartition("/")[2].rpartition("\\")[2], 100) or "the upload"


def _parse_options(input_range: str | None, resize: ResizeMode | None) -> DeclaredInput:
    if input_range is None:
        return DeclaredInput(resize=resize)
    low, separator, high = input_range.partition("..")
    try:
        mean, std = convert_range(float(low), float(high)) if separator else ((), ())
    except ValueError:
        mean, std = (), ()
    if not mean or check_normalization(mean, std):
        raise RequestError(400, "input_range must be two different numbers such as 0..255 or -1..1")
    return DeclaredInput(mean, std, resize=resize)
