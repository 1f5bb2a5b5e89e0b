"""Prometheus metrics, in its text format 0.0.4."""

from collections.abc import Iterable, Iterator

from fastapi import APIRouter, Response

from appliance.web.routes.context import Context
from appliance.web.routes.errors import RESPONSES

router = APIRouter(tags=["metrics"], responses=RESPONSES)

# Key of a point of the statistics → name, type, help, factor.
_FROM_STATS = {
    "fps": ("appliance_frames_per_second", "gauge", "Labeled frames per second in the last minute.", 1),
    "inference_ms": ("appliance_inference_seconds", "gauge", "Median time of the model for a frame.", 1e-3),
    "dropped": ("appliance_frames_dropped_total", "counter", "Frames that were never labeled.", 1),
    "damaged": ("appliance_frames_damaged_total", "counter", "Frames that were withheld as damaged.", 1),
    "temperature_c": ("appliance_cpu_temperature_celsius", "gauge", "Temperature of the processor.", 1),
    "rss_mb": ("appliance_resident_memory_bytes", "gauge", "Memory of the process.", 1e6),
    "disk_free_mb": ("appliance_disk_free_bytes", "gauge", "Free space on the disk of the state folder.", 1e6),
}


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def get_metrics(context: Context) -> Response:
    """Return the state of the device for Prometheus."""
    status, points = context.device.describe_status(), context.device.stats()
    lines = [
        *_metric("appliance_up", "gauge", "The program runs.", [({}, 1)]),
        *_metric(
            "appliance_info", "gauge", "The model and the program.",
            [(
                {
                    "device": status["device"]["id"], "version": status["device"]["version"],
                    "model": status["model"]["name"], "model_version": status["model"]["version"],
                },
                1,
            )],
        ),
        *_metric("appliance_running", "gauge", "Labeling is turned on.", [({}, int(status["running"]))]),
        *_metric(
            "appliance_camera_streaming", "gauge", "The camera delivers frames.",
            [({}, int(status["camera"]["state"] == "streaming"))],
        ),
        *_metric("appliance_broker_connected", "gauge", "The broker is connected.",
                 [({}, int(status["broker"]["connected"]))]),
        *_metric("appliance_outbox_waiting", "gauge", "Messages that wait for the broker.",
                 [({}, status["broker"]["waiting"])]),
        *_metric("appliance_viewers", "gauge", "Open pages.", [({}, context.feed.viewers)]),
        *_metric("appliance_threshold", "gauge", "The common threshold in force.",
                 [({}, status["threshold"]["value"])]),
        *_metric(
            "appliance_label_score", "gauge", "The best scores of the newest frame.",
            [({"label": item["label"]}, item["score"]) for item in _merge(status["labels"])],
        ),
    ]  # fmt: skip
    newest = points[-1] if points else {}
    for key, (name, kind, text, factor) in _FROM_STATS.items():
        if (value := newest.get(key)) is not None:
            lines += _metric(name, kind, text, [({}, value * factor)])
    return Response("".join(f"{line}\n" for line in lines), media_type="text/plain; version=0.0.4; charset=utf-8")


def _merge(labels: list[dict[str, object]]) -> list[dict[str, object]]:
    """Return the labels without repeated names, because a series may occur only once."""
    return list({str(item["label"]): item for item in reversed(labels)}.values())


def _metric(name: str, kind: str, text: str, values: Iterable[tuple[dict[str, object], object]]) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"
    for labels, value in values:
        pairs = ",".join(f'{key}="{_escape(str(label))}"' for key, label in labels.items())
        yield f"{name}{{{pairs}}} {value}" if pairs else f"{name} {value}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
