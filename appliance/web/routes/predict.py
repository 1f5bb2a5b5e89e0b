"""Online prediction: what the clients of TensorFlow Serving and of Vertex AI send, and what they expect.

TensorFlow Serving: https://www.tensorflow.org/tfx/serving/api_rest#predict_api, with {"b64": …} for binary data.
Vertex AI: projects.locations.endpoints.predict, with AutoML's {"content": …}, parameters and predictions.
"""

import asyncio
import binascii

import numpy as np
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from appliance.errors import RequestError
from appliance.web.predict.predictor import MAX_PICTURES, Prediction, Predictor
from appliance.web.routes.context import Context, WebContext
from appliance.web.routes.direct import DirectRoute
from appliance.web.routes.errors import RESPONSES

router = APIRouter(prefix="/v1", tags=["predict"], responses=RESPONSES, route_class=DirectRoute)


class Instance(BaseModel):
    """One picture in base64: {"b64": …}, {"content": …}, or {"image_bytes": {"b64": …}}."""

    b64: str | None = None
    content: str | None = None
    image_bytes: "Instance | None" = None


class Parameters(BaseModel):
    """Which labels to return, as in AutoML: those with a score of at least the threshold, and at most so many."""

    model_config = ConfigDict(populate_by_name=True)
    threshold: float = Field(0.0, ge=0, le=1, alias="confidenceThreshold", allow_inf_nan=False)
    # Vertex AI's client sends every number as a float.
    most: float = Field(0, ge=0, le=1e6, alias="maxPredictions", allow_inf_nan=False)


class PredictRequest(BaseModel):
    """Up to 16 pictures."""

    instances: list[Instance | str] = Field(min_length=1, max_length=MAX_PICTURES)
    parameters: Parameters | None = None


_ANSWER = ConfigDict(alias_generator=to_camel, populate_by_name=True, protected_namespaces=())


class LabelsOfPicture(BaseModel):
    """The labels of one picture, best first: their indexes as text, names, and scores from 0 to 1."""

    model_config = _ANSWER
    ids: list[str]
    display_names: list[str]
    confidences: list[float]


class PredictAnswer(BaseModel):
    """The labels of the pictures, in their order, and the model."""

    model_config = _ANSWER
    predictions: list[LabelsOfPicture]
    deployed_model_id: str
    model: str
    model_display_name: str
    model_version_id: str


@router.post("/models/{name}:predict", response_model=PredictAnswer)
async def predict_as_serving(body: PredictRequest, context: Context, name: str) -> bytes:
    """Label pictures as TensorFlow Serving does; NAME is the model's name or `default`."""
    running = context.device.active_bundle().identity.name
    if name not in ("default", running):
        raise RequestError(404, f"this device runs the model {running}; use that name, or default")
    return await _predict(body, context)


@router.post("/projects/{project}/locations/{location}/endpoints/{endpoint}:predict", response_model=PredictAnswer)
async def predict_as_vertex(
    body: PredictRequest, context: Context, project: str, location: str, endpoint: str
) -> bytes:
    """Label pictures as an endpoint of Vertex AI does; project, location and endpoint are not checked."""
    return await _predict(body, context)


async def _predict(request: PredictRequest, context: WebContext) -> bytes:
    return await asyncio.wrap_future(context.predictor.submit(lambda: _label(request, context.predictor)))


def _label(request: PredictRequest, predictor: Predictor) -> bytes:
    """Return the answer to a request in JSON; called on the thread of predictions."""
    predictions = predictor.predict(request.instances, _decode)
    parameters = request.parameters or Parameters.model_validate({})
    identity = predictions[0].bundle.identity
    # The values have the types of their descriptions; checking them would take longer than writing them.
    answer = PredictAnswer.model_construct(
        predictions=[_format(prediction, parameters) for prediction in predictions],
        deployed_model_id=identity.sha256[:12],
        model=f"models/{identity.name}",
        model_display_name=identity.name,
        model_version_id=identity.version,
    )
    return answer.model_dump_json(by_alias=True).encode()


def _decode(instance: Instance | str, number: int) -> bytes:
    """Return the bytes of a picture.

    Raises:
        RequestError: The instance has none, or they are not base64.
    """
    if isinstance(instance, Instance) and instance.image_bytes is not None:
        instance = instance.image_bytes
    text = instance if isinstance(instance, str) else (instance.b64 or instance.content)
    if not text:
        raise RequestError(
            400, f'instance {number} has no picture; send {{"b64": "…"}} or {{"content": "…"}} in base64'
        )
    try:
        # It takes a fifth of the time of binascii, but refuses line breaks and missing padding.
        return _BASE64.validate_strings(text)
    except ValidationError:
        pass
    try:
        return binascii.a2b_base64(text.translate(_URL_SAFE), strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise RequestError(400, f"the picture of instance {number} is not in base64") from error


_URL_SAFE = str.maketrans("-_", "+/", "\r\n")
_BASE64 = TypeAdapter(bytes, config=ConfigDict(val_json_bytes="base64"))


def _format(prediction: Prediction, parameters: Parameters) -> LabelsOfPicture:
    scores = prediction.scores
    kept = np.flatnonzero(scores >= parameters.threshold)
    best = kept[(-scores[kept]).argsort(kind="stable")]
    if parameters.most >= 1:
        best = best[: int(parameters.most)]
    indexes = best.tolist()
    return LabelsOfPicture.model_construct(
        ids=[*map(str, indexes)],
        display_names=[*map(prediction.bundle.labels.__getitem__, indexes)],
        confidences=scores[best].tolist(),
    )
