"""What the device sees now, and its switches."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from appliance.errors import RequestError
from appliance.web.live.pictures import choose_size
from appliance.web.routes.context import Caller, Context
from appliance.web.routes.errors import RESPONSES

router = APIRouter(prefix="/api", tags=["now"], responses=RESPONSES)

_BOUNDARY = b"frame"
Width = Annotated[int | None, Query(ge=16, le=4096, description="The longest side in pixels; default: 640.")]


class Done(BaseModel):
    """The request was carried out."""

    ok: bool = True


class Threshold(BaseModel):
    """The common threshold; null goes back to that of the settings or the model."""

    model_config = ConfigDict(strict=True)
    value: float | None = Field(ge=0, le=1, allow_inf_nan=False)


class Running(BaseModel):
    """Whether labeling is on."""

    model_config = ConfigDict(strict=True)
    value: bool


@router.get("/status")
def get_status(context: Context) -> dict[str, Any]:
    """Return the state of the device."""
    return context.device.describe_status() | {"viewers": context.feed.viewers}


@router.get("/labels", response_class=StreamingResponse, responses={200: {"content": {"text/event-stream": {}}}})
async def stream_labels(caller: Caller, context: Context) -> StreamingResponse:
    """Stream what changes as server-sent events: status, labels, event, stats, log."""
    context.feed.require_place()
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(context.feed.events(caller), media_type="text/event-stream", headers=headers)


@router.get("/frame.jpg", response_class=Response, responses={200: {"content": {"image/jpeg": {}}}})
async def get_frame(context: Context, width: Width = None) -> Response:
    """Return the newest labeled frame."""
    picture = await context.pictures.encode(choose_size(width))
    if picture is None:
        raise RequestError(503, "there is no frame now; see the camera's state on the page, or run: appliance check")
    return Response(picture[1], media_type="image/jpeg", headers={"X-Frame-Number": str(picture[0])})


@router.get(
    "/stream.mjpg",
    response_class=StreamingResponse,
    responses={200: {"content": {"multipart/x-mixed-replace": {}}}},
)
async def stream_frames(caller: Caller, context: Context, width: Width = None) -> StreamingResponse:
    """Stream the labeled frames as MJPEG; it ends when the camera is turned off."""
    context.feed.require_place()
    if context.device.latest_frame() is None:
        raise RequestError(503, "there is no frame now; see the camera's state on the page, or run: appliance check")
    parts = context.feed.pictures(caller, choose_size(width), _BOUNDARY)
    return StreamingResponse(parts, media_type=f"multipart/x-mixed-replace; boundary={_BOUNDARY.decode()}")


@router.put("/threshold")
def set_threshold(threshold: Threshold, context: Context) -> Done:
    """Set the threshold from the next frame on, as over MQTT."""
    context.device.execute("threshold", threshold.value)
    return Done()


@router.put("/running")
def set_running(running: Running, context: Context) -> Done:
    """Turn the camera and the labeling on or off, as over MQTT."""
    context.device.execute("running", running.value)
    return Done()


@router.post("/snapshot")
def take_snapshot(context: Context) -> Done:
    """Publish the next frame on T/snapshot, as over MQTT."""
    context.device.execute("snapshot")
    return Done()


@router.post("/restart")
def restart(context: Context) -> Done:
    """Restart the program, as over MQTT."""
    context.device.execute("restart")
    return Done()
