"""Training on the device, with its dataset."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from appliance.web.routes.context import Context
from appliance.web.routes.errors import RESPONSES

router = APIRouter(prefix="/api/training", tags=["training"], responses=RESPONSES)


class Use(BaseModel):
    """The threshold that is written into the model; null keeps the one that training chose."""

    model_config = ConfigDict(strict=True)
    threshold: float | None = Field(None, ge=0, le=1, allow_inf_nan=False)


@router.get("")
def get_training(context: Context) -> dict[str, Any]:
    """Return whether a model can be trained here, the progress of the job, and its result."""
    return context.device.training.describe()


@router.post("", status_code=202)
def start_training(context: Context) -> dict[str, Any]:
    """Start to train a model on the dataset, in a process of low priority; it goes on when the page is closed."""
    context.device.training.start()
    return context.device.training.describe()


@router.delete("")
def end_training(context: Context) -> dict[str, Any]:
    """Cancel the running job within 5 s, or discard the result of the last one."""
    context.device.training.end()
    return context.device.training.describe()


@router.post("/use")
def use_result(context: Context, use: Use | None = None) -> dict[str, Any]:
    """Install the trained model on probation; the previous one comes back if it does not work."""
    return context.device.training.use(use.threshold if use else None)
