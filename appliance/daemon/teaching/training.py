"""Train on the device: one job at a time, as child processes that labeling does not notice.

    lay out the pictures → appliance train → appliance evaluate on the held-out pictures → a result to use or to discard

The job goes on when the page is closed. Its result is kept in the state folder; a job that the end of the program
interrupted has failed, and says so. Nothing of the running model changes before `use`.
"""

import json
import logging
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from appliance.bundle.bundle import Bundle
from appliance.bundle.edit import write_thresholds
from appliance.bundle.version import count_up
from appliance.daemon.teaching.child import Child, read_answer
from appliance.daemon.teaching.requirements import (
    TrainingObstacle,
    choose_processors,
    compute_memory_limit_mb,
    find_training_obstacle,
    is_workshop_installed,
)
from appliance.daemon.teaching.staging import StagedPictures, stage_pictures
from appliance.daemon.teaching.training_result import describe_result
from appliance.daemon.teaching.training_state import TrainingState, make_state_file
from appliance.errors import ApplianceError, ControlError, TeachingError, describe_os_error
from appliance.system.foreign_text import clean_text
from appliance.system.memory import read_available_mb
from appliance.teaching.holdout import TrainingPlan, plan_training
from appliance.teaching.names import BACKGROUND, MIN_PICTURES
from appliance.teaching.store import DatasetStore

log = logging.getLogger("appliance.teaching")

_FOLDER = "training"
_STEP_COMPARE = "comparing with the running model"
_NOTIFY_EVERY_S = 0.5
_END_LIMIT_S = 5.0
# Before the first job on this device: seconds, and seconds for each picture.
_START_S, _PICTURE_S = 15.0, 0.15
_MAX_TEXT = 500
_INTERRUPTED = "the program ended during the training; start it again"


@dataclass(frozen=True, slots=True)
class _Progress:
    step: str | None = None
    done: int = 0
    total: int = 0
    left_s: float | None = None


class TrainingJob:
    """The training of one device. Safe to use from any thread."""

    def __init__(
        self,
        store: DatasetStore,
        running: Callable[[], Bundle],
        install: Callable[[Path, str], dict[str, Any]],
        find_blocked_reason: Callable[[], str | None] = lambda: None,
        notify: Callable[[Mapping[str, Any]], None] = lambda _: None,
    ):
        """Set the folders; nothing is read yet.

        Args:
            store: The dataset.
            running: Returns the bundle of the running model.
            install: Installs a bundle on probation, by its path and its name for messages.
            find_blocked_reason: Returns why no model may be installed from the page; None if one may be.
            notify: Called with the state without the result when it changes; must not block.
        """
        self._store, self._running, self._install = store, running, install
        self._find_blocked_reason, self._notify = find_blocked_reason, notify
        self._folder = store.work_folder / _FOLDER
        self._file = make_state_file(store.work_folder)
        self._lock = threading.RLock()
        self._loaded: TrainingState | None = None
        self._progress = _Progress()
        self._started_s = self._notified_s = self._expected_s = 0.0
        self._thread: threading.Thread | None = None
        self._child: Child | None = None
        self._is_canceled = self._is_stopping = False

    def describe(self) -> dict[str, Any]:
        """Return the object of GET /api/training."""
        return self._describe_job() | self._describe_possible() | {"result": self._read().result}

    def start(self) -> None:
        """Start a job.

        Raises:
            TeachingError: One runs, or none can be started; 503 names what is missing.
        """
        with self._lock:
            if self._read().state == "running":
                raise TeachingError(409, "a training runs already; wait for it, or cancel it")
            plan = self._plan()
            if obstacle := self._find_obstacle(plan):
                command = f": {obstacle.command}" if obstacle.command else ""
                raise TeachingError(obstacle.status, f"{obstacle.reason}{command}")
            try:
                self._store.require_space(0)
                staged = stage_pictures(plan, self._folder)
                self._write(replace(self._read(), state="running", error=None, result=None, left_out=plan.left_out))
            except OSError as error:
                raise TeachingError(507, f"the training cannot be prepared: {describe_os_error(error)}") from error
            self._is_canceled = False
            self._started_s = time.monotonic()
            self._expected_s = self._expect_s(plan)
            self._progress = _Progress("reading the pictures", 0, plan.pictures, self._expected_s)
            self._thread = threading.Thread(target=self._run, args=(plan, staged), name="training", daemon=True)
            self._thread.start()
        self._tell()

    def end(self) -> None:
        """Cancel the job that runs, or forget the last one and its model; returns within 5 s."""
        with self._lock:
            thread, child = self._thread, self._child
            is_running = self._read().state == "running"
            self._is_canceled = is_running
        if is_running:
            if child:
                child.end()
            if thread:
                thread.join(_END_LIMIT_S)
            return
        with self._lock:
            self._forget()
        self._tell()

    def use(self, threshold: float | None) -> dict[str, Any]:
        """Install the trained model on probation.

        Args:
            threshold: Written into the model; None keeps the one that training chose.

        Raises:
            TeachingError: There is no model to use.
            ApplianceError: It cannot be installed; the running model is unchanged.
        """
        with self._lock:
            result = self._read().result
            model = self._folder / "model"
            if self._read().state != "done" or result is None or not model.is_dir():
                raise TeachingError(409, "there is no trained model to use; train one first")
            if threshold is not None:
                write_thresholds(model, threshold, {})
            answer = self._install(model, "the trained model")
            self._forget()
        self._tell()
        return answer

    def stop(self) -> None:
        """End the job because the program stops; it counts as failed."""
        self._is_stopping = True
        if child := self._child:
            child.end()
        if self._thread:
            self._thread.join(_END_LIMIT_S)

    def _plan(self) -> TrainingPlan:
        listing = self._store.listing()
        return plan_training(listing.pictures.values(), (label.name for label in listing.labels))

    def _find_obstacle(self, plan: TrainingPlan) -> TrainingObstacle | None:
        if reason := self._find_blocked_reason():
            return TrainingObstacle(403, reason)
        return find_training_obstacle(plan)

    def _describe_possible(self) -> dict[str, Any]:
        plan = self._plan()
        obstacle = self._find_obstacle(plan)
        return {
            "possible": obstacle is None and self._read().state != "running",
            "reason": obstacle.reason if obstacle else None,
            "command": obstacle.command if obstacle else None,
            "workshop": is_workshop_installed(),
            "pictures": plan.pictures,
            "expected_s": round(self._expect_s(plan)),
            "left_out_labels": [
                {"label": label, "count": count} for label, count in plan.left_out.items() if label != BACKGROUND
            ],
        }

    def _describe_job(self) -> dict[str, Any]:
        state, progress = self._read(), self._progress
        is_running = state.state == "running"
        return {
            "state": state.state,
            "error": state.error,
            "step": progress.step if is_running else None,
            "done": progress.done if is_running else 0,
            "total": progress.total if is_running else 0,
            "left_s": None if not is_running or progress.left_s is None else round(progress.left_s),
        }

    def _expect_s(self, plan: TrainingPlan) -> float:
        return _START_S + plan.pictures * (self._read().picture_s or _PICTURE_S)

    def _run(self, plan: TrainingPlan, staged: StagedPictures) -> None:
        state = replace(self._read(), state="failed")
        try:
            result = self._train(plan, staged)
            seconds = time.monotonic() - self._started_s
            picture_s = max(0.005, (seconds - _START_S) / max(1, plan.pictures))
            state = replace(state, state="done", result=result, picture_s=picture_s)
            log.info("the training took %.0f s", seconds)
        except ApplianceError as error:
            state = replace(state, error=clean_text(str(error), _MAX_TEXT))
        except Exception:
            log.exception("the training failed")
            state = replace(state, error="the training failed; see the log of the device")
        if self._is_canceled:
            state = replace(state, state="canceled", error=None, result=None)
        elif self._is_stopping:
            state = replace(state, error=_INTERRUPTED)
        if state.error:
            log.warning("the training failed: %s", state.error)
        with self._lock:
            try:
                self._write(state)
            except OSError as error:
                log.error("the result of the training cannot be kept: %s", describe_os_error(error))
                self._loaded = state
        self._tell()

    def _train(self, plan: TrainingPlan, staged: StagedPictures) -> dict[str, Any]:
        """Run both commands; return the result."""
        running = self._running()
        identity = running.identity
        background = ["--background", str(staged.background)] if staged.background else []
        limit_mb = compute_memory_limit_mb(read_available_mb())
        memory = [] if limit_mb is None else ["--memory", str(limit_mb)]
        trained = self._call(
            ["train", str(staged.train), *background, "--out", str(staged.out), "--name",
             identity.name, "--model-version", count_up(identity.version), "--parent", str(running.source), *memory,
             "--progress", "json", "--json"],
        )  # fmt: skip
        evaluated = None
        if staged.held_out:
            background = ["--background", str(staged.held_out_background)] if staged.held_out_background else []
            self._advance(_Progress(_STEP_COMPARE, 0, 0, self._left_s()))
            evaluated = self._call(
                ["evaluate", str(staged.out), str(staged.held_out), *background, "--split", "all", "--against",
                 str(running.source), "--json"]
            )  # fmt: skip
        result = describe_result(trained, evaluated, plan.unmeasured, 2 * MIN_PICTURES)
        if not set(running.labels) & set(plan.labels):
            result["running_accuracy"] = None  # it has none of these labels
        return result

    def _call(self, arguments: Sequence[str]) -> Mapping[str, Any]:
        with self._lock:
            if self._is_canceled or self._is_stopping:
                raise TeachingError(409, "canceled")
            try:
                child = self._child = Child(arguments, self._read_line, choose_processors())
            except OSError as error:
                raise TeachingError(503, f"no process can be started: {describe_os_error(error)}") from error
        try:
            # `evaluate` ends with other statuses when the new model is not better.
            return read_answer(child)
        except ControlError as error:
            raise TeachingError(500, str(error).replace(str(self._folder), "the dataset")) from error
        finally:
            self._child = None

    def _read_line(self, line: str) -> None:
        """Take a line of progress of `train --progress json`; other lines are messages."""
        try:
            value = json.loads(line)
            progress = _Progress(clean_text(str(value["step"]), 100), int(value["done"]), int(value["total"]), None)
        except (ValueError, TypeError, LookupError):
            return
        self._advance(replace(progress, left_s=self._left_s(value.get("left_s"))))

    def _left_s(self, stated_s: Any = None) -> float:
        """Return the expected seconds left: what the step states if that is more than what is usual for the rest."""
        usual_s = self._expected_s - (time.monotonic() - self._started_s)
        return max(usual_s, float(stated_s) if isinstance(stated_s, int | float) else 0.0, 1.0)

    def _advance(self, progress: _Progress) -> None:
        is_new_step = progress.step != self._progress.step
        self._progress = progress
        if is_new_step or time.monotonic() - self._notified_s >= _NOTIFY_EVERY_S:
            self._tell()

    def _tell(self) -> None:
        self._notified_s = time.monotonic()
        self._notify(self._describe_job())

    def _read(self) -> TrainingState:
        with self._lock:
            if self._loaded is None:
                loaded = self._file.read()
                if loaded.state == "running":
                    loaded = replace(loaded, state="failed", error=_INTERRUPTED)
                self._loaded = loaded
            return self._loaded

    def _write(self, state: TrainingState) -> None:
        self._store.work_folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._file.write(state)
        self._loaded = state

    def _forget(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        try:
            self._write(TrainingState(picture_s=self._read().picture_s))
        except OSError as error:
            raise TeachingError(507, f"the state cannot be written: {describe_os_error(error)}") from error
