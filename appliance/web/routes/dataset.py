"""The dataset on the device: labels, pictures, recording, import, and export."""

from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from appliance.errors import RequestError
from appliance.system.foreign_text import clean_text
from appliance.teaching.store import MAX_IDS
from appliance.teaching.wording import Target
from appliance.web.routes.context import Context, WebContext
from appliance.web.routes.errors import RESPONSES
from appliance.web.uploads import receive_file

router = APIRouter(prefix="/api/dataset", tags=["dataset"], responses=RESPONSES)

_REFUSAL = "this file is not a .zip; upload a zip with one folder of pictures for each label"
_CHUNK_BYTES = 1 << 20
_CONTENT = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_BINARY = {"requestBody": {"required": True, "content": _CONTENT}}
Label = Annotated[str, Field(min_length=1, max_length=255)]
PictureId = Annotated[str, Path(max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
Ids = Annotated[list[Annotated[str, Field(max_length=100)]], Field(min_length=1, max_length=MAX_IDS)]


class Rename(BaseModel):
    """A label and its new name."""

    model_config = ConfigDict(populate_by_name=True)
    old: Label = Field(alias="from")
    new: Label = Field(alias="to")


class LabelChange(BaseModel):
    """One change of the labels: add one, rename one, or remove one, whose pictures become unlabeled."""

    add: Label | None = None
    rename: Rename | None = None
    remove: Label | None = None


class PictureChange(BaseModel):
    """The new label of pictures; null takes it away. `background` is for pictures that show none of the labels."""

    model_config = ConfigDict(strict=True)
    ids: Ids
    label: Label | None = None
    background: bool = False


class PictureIds(BaseModel):
    """Pictures."""

    ids: Ids


class Recording(BaseModel):
    """What is recorded, and the time between two pictures in seconds."""

    model_config = ConfigDict(strict=True)
    label: Label | None = None
    background: bool = False
    every_s: float = Field(0.5, ge=0.1, le=60, allow_inf_nan=False)


class Changed(BaseModel):
    """How many pictures changed, and how many changes can be undone."""

    changed: int
    undo: int


class Undone(BaseModel):
    """What was undone, and how many changes are left."""

    undone: str
    undo: int


@router.get("/labels")
def list_labels(context: Context) -> dict[str, Any]:
    """Return the labels with the number of their pictures, and what can be undone."""
    return context.device.dataset.describe_labels()


@router.put("/labels")
def change_labels(change: LabelChange, context: Context) -> dict[str, Any]:
    """Add, rename, or remove a label; the answer has the valid form of a new name in `name`."""
    dataset = context.device.dataset
    given = [each for each in (change.add, change.rename, change.remove) if each is not None]
    if len(given) != 1:
        raise RequestError(400, "give exactly one of add, rename, and remove")
    name = None
    if change.add is not None:
        name = dataset.add_label(change.add)
    elif change.rename is not None:
        name = dataset.rename_label(change.rename.old, change.rename.new)
    elif change.remove is not None:
        dataset.remove_label(change.remove)
    return dataset.describe_labels() | ({} if name is None else {"name": name})


@router.get("/pictures")
def list_pictures(
    context: Context,
    label: Annotated[str | None, Query(max_length=255)] = None,
    background: bool = False,
    unlabeled: bool = False,
    order: Literal["uncertain", "newest"] = "newest",
    cursor: Annotated[str | None, Query(max_length=400)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> dict[str, Any]:
    """Return pictures with the guess of the running model; without label, background and unlabeled, all of them."""
    if sum((label is not None, background, unlabeled)) > 1:
        raise RequestError(400, "give only one of label, background, and unlabeled")
    target = None
    if label is not None or background or unlabeled:
        target = Target(label, background)
    return context.device.dataset.list_pictures(target, order, cursor or None, limit)


@router.get("/pictures/{picture_id}.jpg", response_class=Response, responses={200: {"content": {"image/jpeg": {}}}})
def get_picture(picture_id: PictureId, context: Context, size: Annotated[int, Query(ge=16, le=2048)] = 640) -> Response:
    """Return a picture; `size` is the greatest length of its longest side."""
    jpeg = context.device.dataset.encode_picture(picture_id, size)
    return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})


@router.patch("/pictures")
def change_pictures(change: PictureChange, context: Context) -> Changed:
    """Label pictures, or take their label away; a label that does not exist yet is added."""
    if "label" not in change.model_fields_set and not change.background:
        raise RequestError(400, "give a label, null to take it away, or background")
    dataset = context.device.dataset
    changed = dataset.move_pictures(change.ids, _find_target(context, change.label, change.background))
    return Changed(changed=changed, undo=dataset.undo_steps)


@router.delete("/pictures")
def delete_pictures(pictures: PictureIds, context: Context) -> Changed:
    """Delete pictures; they are kept for the next 20 changes, so that this can be undone."""
    dataset = context.device.dataset
    return Changed(changed=dataset.delete_pictures(pictures.ids), undo=dataset.undo_steps)


@router.post("/undo")
def undo(context: Context) -> Undone:
    """Undo the last change of labels and pictures."""
    dataset = context.device.dataset
    return Undone(undone=dataset.undo(), undo=dataset.undo_steps)


@router.put("/recording")
def record(recording: Recording, context: Context) -> dict[str, Any]:
    """Record pictures of one thing; repeat this at least every 2 s, else the recording ends after 3 s."""
    if recording.label is None and not recording.background:
        raise RequestError(400, "give a label, or background")
    target = _find_target(context, recording.label, recording.background)
    return context.device.dataset.record(target, recording.every_s)


@router.delete("/recording")
def stop_recording(context: Context) -> dict[str, Any]:
    """End the recording; pictures that are blurred compared with the whole recording are taken out."""
    return context.device.dataset.stop_recording()


@router.post("/import", openapi_extra=_BINARY)
async def import_pictures(
    request: Request,
    context: Context,
    name: Annotated[str, Query(max_length=200, description="The name of the file, for messages.")] = "the upload",
) -> dict[str, Any]:
    """Add the pictures of a zip with one folder for each label (the body); those that are there are left out."""
    shown = clean_text(name.rpartition("/")[2].rpartition("\\")[2], 100) or "the upload"
    async with receive_file(request, context.uploads, _REFUSAL) as path:
        if path.suffix != ".zip":
            raise RequestError(422, _REFUSAL)
        return await run_in_threadpool(context.device.dataset.import_pictures, path, shown)


@router.post("/export")
def export_pictures(context: Context) -> dict[str, Any]:
    """Write the dataset as a zip; fetch it once from the path in `url`, within 10 minutes."""
    answer = context.device.dataset.export_pictures()
    export_id = answer.pop("id")
    return {"url": f"/api/dataset/export/{export_id}.zip", **answer}


@router.get(
    "/export/{export_id}.zip", response_class=StreamingResponse, responses={200: {"content": {"application/zip": {}}}}
)
def get_export(export_id: PictureId, context: Context) -> StreamingResponse:
    """Return the zip of an export, once."""
    path = context.device.dataset.take_export(export_id)
    headers = {
        "Content-Length": str(path.stat().st_size),
        "Content-Disposition": 'attachment; filename="dataset.zip"',
    }
    return StreamingResponse(_read_and_remove(path), media_type="application/zip", headers=headers)


def _read_and_remove(path: FilePath) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk
    finally:
        path.unlink(missing_ok=True)


def _find_target(context: WebContext, label: str | None, background: bool) -> Target:
    if label is not None and background:
        raise RequestError(400, "give either a label or background")
    return context.device.dataset.find_target(label, background)
