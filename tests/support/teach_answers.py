"""Made-up answers about the dataset and the training, for tests of the place Teach without a daemon."""

import copy
import io
import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from PIL import Image, ImageDraw

Answer = tuple[int, Any]
_LEAST = 10
_COLORS = {"cup": "#c0392b", "bottle": "#1f7a4d", "key": "#b8860b", None: "#5b6770"}
_START = datetime(2026, 1, 5, 12, tzinfo=UTC)


@cache
def draw_thing(label: str | None, number: int, size: int) -> bytes:
    """Return a JPEG of a thing, a little different for each number."""
    picture = Image.new("RGB", (size, size * 3 // 4), (200 - number % 5 * 9, 205, 190 + number % 7 * 6))
    x, y = size * (0.35 + number % 9 * 0.03), size * (0.3 + number % 4 * 0.03)
    draw = ImageDraw.Draw(picture)
    radius = size * (0.14 + number % 3 * 0.03)
    shape = draw.rectangle if label == "bottle" else draw.ellipse
    shape((x - radius, y - radius, x + radius, y + radius), fill=_COLORS.get(label, "#4455aa"))
    out = io.BytesIO()
    picture.save(out, "JPEG")
    return out.getvalue()


def make_picture(number: int, label: str | None, background: bool = False, guess: str | None = "cup") -> dict[str, Any]:
    """Return a picture of the dataset."""
    score = 0.5 + number % 49 / 100
    return {
        "id": f"picture-{number}", "label": label, "background": background,
        "guess": None if guess is None else {"label": guess, "score": score},
        "time": (_START + timedelta(seconds=number)).isoformat(), "origin": "recorded", "burst": f"{number // 20}",
    }  # fmt: skip


def make_result(mistakes: list[str]) -> dict[str, Any]:
    """Return the result of a training."""
    curve = [
        {
            "threshold": round(0.3 + step / 50, 2),
            "precision": {"value": 0.8 + step / 180, "low": 0.7 + step / 150, "high": min(1.0, 0.9 + step / 250)},
            "recall": {"value": 0.98 - step / 60, "low": 0.9 - step / 55, "high": 1 - step / 80},
        }
        for step in range(33)
    ]
    return {
        "accuracy": {"value": 0.95, "low": 0.88, "high": 0.98, "right": 57, "pictures": 60},
        "running_accuracy": {"value": 0.71, "low": 0.6, "high": 0.81, "right": 43, "pictures": 60},
        "comparison": "better", "sentence": "14 more of 60 pictures are right",
        "rejection": "without rejection, recall would be 91 %; with it 89 %, and 0.8 % of other pictures get a label",
        "curve": curve, "threshold": 0.62,
        "mistakes": [
            {"picture_id": name, "label": "cup", "guess": "bottle", "score": 0.9 - number / 50}
            for number, name in enumerate(mistakes)
        ],
        "per_label": [
            {"label": "cup", "recall": {"value": 0.93, "low": 0.8, "high": 0.98}, "pictures": 30},
            {"label": "bottle", "recall": {"value": 0.87, "low": None, "high": None}, "pictures": 8},
        ],
        "name": "general", "version": "2", "warnings": ["bottle has few pictures; record 20 more"],
    }  # fmt: skip


@dataclass
class TeachAnswers:
    """A dataset that requests change as on a device; tests set `pictures`, `refusals`, and `training`."""

    send: Callable[[str, Any], None]
    pictures: list[dict[str, Any]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    drops: tuple[str, ...] = ("kept", "kept", "similar", "kept", "blurred")
    training: dict[str, Any] = field(default_factory=lambda: {"state": "none"})
    impossible: dict[str, Any] = field(default_factory=dict)
    recorded: list[tuple[Any, str]] = field(default_factory=list)
    step_s: float = 0.3

    def __post_init__(self) -> None:
        self._undo: list[tuple[str, Any, Any]] = []
        self._numbers = itertools.count(10_000)
        self._recording: dict[str, Any] | None = None
        self._stop = threading.Event()
        self._lock = threading.RLock()

    def fill(self, **counts: int) -> None:
        """Add pictures: `unlabeled`, `background`, or a label with its count."""
        for name, count in counts.items():
            label = None if name in ("unlabeled", "background") else name
            if label:
                self.labels.append(label)
            for _ in range(count):
                number = next(self._numbers)
                guess = ("cup", "bottle")[number % 2]
                self.pictures.append(make_picture(number, label, name == "background", guess))

    def close(self) -> None:
        """End what runs."""
        self._stop.set()

    def answer(self, method: str, path: str, query: dict[str, list[str]], value: Any) -> Answer:
        """Answer a request below /api/dataset or /api/training."""
        with self._lock:
            name = path.removeprefix("/api/").replace("/", "_").replace("dataset_pictures_", "dataset_file_")
            if name.startswith("dataset_file_"):
                return self._send_file(name.removeprefix("dataset_file_").removesuffix(".jpg"), query)
            if name.startswith("dataset_export_"):
                return 200, b"PK\x05\x06" + bytes(18)
            handler = getattr(self, f"_{method.lower()}_{name}", None)
            return handler(query, value) if handler else (404, {"error": "there is nothing at this address"})

    def describe(self) -> dict[str, Any]:
        """Return the answer of GET /api/dataset/labels."""
        labels = []
        for name in self.labels:
            count = sum(picture["label"] == name for picture in self.pictures)
            labels.append({
                "name": name, "count": count, "enough": count >= _LEAST, "missing": max(0, _LEAST - count),
                "recordings": 1 + count // 11,
            })  # fmt: skip
        none = sum(picture["background"] for picture in self.pictures)
        undecided = sum(picture["label"] is None and not picture["background"] for picture in self.pictures)
        return {
            "labels": labels, "background": none, "unlabeled": undecided, "undo": len(self._undo),
            "bytes": 31_000 * len(self.pictures), "limit_bytes": 10**9,
            "folder": "/var/lib/appliance/dataset", "notes": [],
        }  # fmt: skip

    def describe_training(self) -> dict[str, Any]:
        """Return the answer of GET /api/training."""
        labels = self.describe()["labels"]
        left_out = [{"label": label["name"], "count": label["count"]} for label in labels if label["missing"]]
        possible = len(labels) - len(left_out) >= 2
        base = {
            "possible": possible, "reason": None if possible else "teach two labels first; each needs 10 pictures",
            "command": None, "pictures": len(self.pictures), "expected_s": 40, "step": None,
            "done": None, "total": None, "left_s": None, "error": None,
            "left_out_labels": left_out, "workshop": True, "result": None,
        }  # fmt: skip
        return base | self.impossible | self.training

    def _send_file(self, name: str, query: dict[str, list[str]]) -> Answer:
        picture = next((found for found in self.pictures if found["id"] == name), None)
        if picture is None:
            return 404, {"error": "this picture was deleted"}
        number = int(name.rsplit("-", 1)[1])
        return 200, draw_thing(picture["label"], number % 60, int(query.get("size", ["160"])[0]))

    def _get_dataset_labels(self, *_: Any) -> Answer:
        return 200, self.describe()

    def _put_dataset_labels(self, _: Any, value: Any) -> Answer:
        if "add" in value:
            name = value["add"].replace(" ", "_")
            if name == "background":
                return 400, {"error": "background is not a label; use “none of these”"}
            if name not in self.labels:
                self.labels.append(name)
            return 200, self.describe() | {"name": name}
        self._remember("labels changed")
        if "remove" in value:
            self.labels.remove(value["remove"])
            self._relabel(value["remove"], None)
            return 200, self.describe()
        old, new = value["rename"]["from"], value["rename"]["to"]
        self.labels[self.labels.index(old)] = new
        self._relabel(old, new)
        return 200, self.describe() | {"name": new}

    def _relabel(self, old: str, new: str | None) -> None:
        for picture in self.pictures:
            if picture["label"] == old:
                picture["label"] = new

    def _get_dataset_pictures(self, query: dict[str, list[str]], _: Any) -> Answer:
        found = self.pictures
        if "label" in query:
            found = [picture for picture in found if picture["label"] == query["label"][0]]
        elif "background" in query:
            found = [picture for picture in found if picture["background"]]
        elif "unlabeled" in query:
            found = [picture for picture in found if picture["label"] is None and not picture["background"]]
        if query.get("order") == ["newest"]:
            found = found[::-1]
        else:
            found = sorted(found, key=lambda picture: picture["guess"]["score"] if picture["guess"] else 0)
        ids = [picture["id"] for picture in found]
        start = ids.index(query["cursor"][0]) + 1 if "cursor" in query and query["cursor"][0] in ids else 0
        page = found[start : start + int(query["limit"][0])]
        more = start + len(page) < len(found)
        return 200, {"pictures": page, "next": page[-1]["id"] if more else None}

    def _patch_dataset_pictures(self, _: Any, value: Any) -> Answer:
        self._remember(f"{len(value['ids'])} pictures labeled")
        background = bool(value.get("background"))
        label = None if background else value["label"]
        if label and label not in self.labels:
            self.labels.append(label)
        for picture in self.pictures:
            if picture["id"] in value["ids"]:
                picture.update(label=label, background=background)
        return 200, {"changed": len(value["ids"]), "undo": len(self._undo)}

    def _delete_dataset_pictures(self, _: Any, value: Any) -> Answer:
        self._remember(f"{len(value['ids'])} pictures deleted")
        self.pictures = [picture for picture in self.pictures if picture["id"] not in value["ids"]]
        return 200, {"changed": len(value["ids"]), "undo": len(self._undo)}

    def _post_dataset_undo(self, *_: Any) -> Answer:
        if not self._undo:
            return 409, {"error": "there is nothing to undo"}
        sentence, self.pictures, self.labels = self._undo.pop()
        return 200, {"undone": sentence, "undo": len(self._undo)}

    def _remember(self, sentence: str) -> None:
        self._undo = [*self._undo[-19:], (sentence, copy.deepcopy(self.pictures), list(self.labels))]

    def _put_dataset_recording(self, _: Any, value: Any) -> Answer:
        if self._recording is None:
            self._recording = {"label": value.get("label"), "background": bool(value.get("background")), "kept": 0}
            self._recording |= {"dropped": 0, "last": None}
            threading.Thread(target=self._record, args=(self._recording,), daemon=True).start()
        return 200, self._recording

    def _record(self, recording: dict[str, Any]) -> None:
        for last in itertools.cycle(self.drops):
            if self._stop.wait(self.step_s) or self._recording is not recording:
                return
            with self._lock:
                recording["last"] = last
                recording["kept" if last == "kept" else "dropped"] += 1
                if last == "kept":
                    number = next(self._numbers)
                    self.pictures.append(make_picture(number, recording["label"], recording["background"]))
            self.send("recording", recording)
            self.send("dataset", self.describe())

    def _delete_dataset_recording(self, *_: Any) -> Answer:
        done, self._recording = self._recording, None
        return 200, done or {"kept": 0, "dropped": 0, "last": None}

    def _post_dataset_import(self, _: Any, value: Any) -> Answer:
        if not value.startswith(b"PK"):
            return 422, {"error": "this file is no zip; upload a zip with one folder for each label"}
        self.fill(key=12)
        return 200, {"added": 12, "left_out": ["notes.txt is no picture"]}

    def _post_dataset_export(self, *_: Any) -> Answer:
        return 200, {"url": "/api/dataset/export/made.zip", "bytes": 22, "pictures": 1, "left_out": []}

    def _get_training(self, *_: Any) -> Answer:
        return 200, self.describe_training()

    def _post_training(self, *_: Any) -> Answer:
        self.training = {"state": "running", "step": "computing features", "done": 0, "total": 3, "left_s": 40}
        threading.Thread(target=self._train, daemon=True).start()
        return 202, self.describe_training()

    def _train(self) -> None:
        for done in range(1, 4):
            if self._stop.wait(self.step_s) or self.training["state"] != "running":
                return
            self.training |= {"done": done, "left_s": 40 - done}
            self.tell()
        mistakes = [picture["id"] for picture in self.pictures if picture["label"] == "cup"][:4]
        self.training = {"state": "done", "result": make_result(mistakes)}
        self.tell()

    def tell(self) -> None:
        """Send the state of the training, without what only the answer has."""
        known = ("state", "step", "done", "total", "left_s", "error")
        self.send("training", {name: value for name, value in self.describe_training().items() if name in known})

    def _delete_training(self, *_: Any) -> Answer:
        self.training = {"state": "canceled" if self.training["state"] == "running" else "none"}
        self.tell()
        return 200, self.describe_training()

    def _post_training_use(self, *_: Any) -> Answer:
        self.training = {"state": "none"}
        self.tell()
        return 200, {"name": "general", "version": "2", "sha256": "5f" * 32}
