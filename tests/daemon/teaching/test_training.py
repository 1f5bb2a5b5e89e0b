"""The training job: one at a time, its progress, its end, its result, and what survives."""

import json
import shutil
import time

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.daemon.teaching import requirements
from appliance.daemon.teaching.training import TrainingJob
from appliance.errors import StoreError, TeachingError
from support.broker import wait_until
from support.bundles import bundle_folder
from support.paths import FLOWERS
from support.teaching import fill, make_store

TRAINED = {
    "model": {"name": "flowers", "version": "0.2.1", "sha256": "ab"},
    "labels": ["cup", "mug", "background"],
    "background_label": "background",
    "at_threshold": {"threshold": 0.4},
    "warnings": ["few pictures"],
}


@pytest.fixture(autouse=True)
def enough_memory(monkeypatch):
    monkeypatch.setattr(requirements, "read_available_mb", lambda meminfo=None: 900.0)


@pytest.fixture
def store(tmp_path):
    store = make_store(tmp_path)
    for number, label in enumerate(("cup", "mug")):
        for part in range(2):
            fill(store, label, 10, f"{number}{part}aaaaaa", 100 * number + 50 * part)
    fill(store, "spoon", 3, "dddddddd", 300)
    return store


@pytest.fixture
def jobs():
    """Return a function that opens a job; they are stopped at the end."""
    made = []

    def make(store, **options):
        options = {"running": lambda: read_bundle(FLOWERS), "install": lambda path, name: {"name": "x"}, **options}
        made.append(TrainingJob(store, **options))
        return made[-1]

    yield make
    for job in made:
        job.stop()


def run(job):
    job.start()
    wait_until(lambda: job.describe()["state"] != "running", "the end of the job")
    job._thread.join(10)
    return job.describe()


def evaluated(picture):
    return {
        "pictures": 20,
        "intervals": {"accuracy": {"value": 0.95, "low": 0.76, "high": 0.99}},
        "at_threshold": {"threshold": 0.4},
        "threshold_curve": [{"threshold": 0.4, "precision": {"value": 1, "low": 0.8, "high": 1}, "recall": None}],
        "per_label": [
            {
                "label": "cup",
                "pictures": 10,
                "recall": 0.9,
                "intervals": {"recall": {"value": 0.9, "low": 0.6, "high": 0.98}},
            }
        ],
        "mistakes": [{"picture": f"held-out/cup/{picture}.jpg", "shows": "cup", "label": None, "score": 0.9}],
        "against": {"answer": "too few to tell", "says": "Too few.", "verdict": "too_few"},
    }


def test_result_is_kept_across_a_restart_and_can_be_discarded(program, store, jobs):
    picture = next(iter(store.listing().pictures))
    program.answer("train", TRAINED, errors='{"step": "reading", "done": 1, "total": 9, "left_s": 4}\n')
    program.answer("evaluate", evaluated(picture), status=3)
    told = []
    state = run(jobs(store, notify=told.append))
    assert state["state"] == "done" and [call[0] for call in program.calls] == ["train", "evaluate"]
    result = state["result"]
    assert result["accuracy"] == {"value": 0.95, "low": 0.76, "high": 0.99, "right": 19, "pictures": 20}
    assert (result["labels"], result["comparison"], result["threshold"]) == (["cup", "mug"], "too few to tell", 0.4)
    assert result["mistakes"] == [{"picture_id": picture, "label": "cup", "guess": None, "score": 0.9}]
    assert state["left_out_labels"] == [{"label": "spoon", "count": 3}]
    assert "reading" in [each["step"] for each in told] and "result" not in told[-1]
    again = jobs(store)
    assert again.describe()["result"] == json.loads(json.dumps(result))
    again.end()
    assert jobs(store).describe()["state"] == "none"


def test_name_stays_and_the_version_counts_up(program, store, jobs):
    program.answer("train", TRAINED)
    program.answer("evaluate", evaluated("x"))
    run(jobs(store))
    train = program.calls[0]
    bundle = read_bundle(FLOWERS)
    major, minor, patch = bundle.identity.version.split(".")
    assert train[train.index("--name") + 1] == bundle.identity.name
    assert train[train.index("--model-version") + 1] == f"{major}.{minor}.{int(patch) + 1}"
    assert {"--progress", "--memory", "--parent", "--json"} <= set(train)


def test_only_one_job_runs_and_canceling_takes_seconds(program, store, jobs):
    program.answer("train", TRAINED, waits=True)
    job = jobs(store)
    job.start()
    with pytest.raises(TeachingError, match="runs already") as caught:
        job.start()
    assert caught.value.status == 409
    wait_until(lambda: program.calls, "the child runs")
    started_s = time.monotonic()
    job.end()
    assert time.monotonic() - started_s < 5 and job.describe()["state"] == "canceled"
    assert job.describe()["error"] is None


def test_job_that_the_end_of_the_program_interrupts_has_failed(program, store, jobs):
    program.answer("train", TRAINED, waits=True)
    job = jobs(store)
    job.start()
    wait_until(lambda: program.calls, "the child runs")
    killed = jobs(store)  # as after a power cut
    assert killed.describe()["state"] == "failed" and "start it again" in killed.describe()["error"]
    job.stop()
    assert "start it again" in jobs(store).describe()["error"]


def test_failure_is_one_sentence_without_paths_of_the_device(program, store, jobs):
    program.answer("train", {"error": f"{store.work_folder}/training/train has no picture"}, status=1)
    state = run(jobs(store))
    assert state["state"] == "failed" and state["error"] == "the dataset/train has no picture"
    program.answer("train", "not JSON", errors="appliance: boom\n", status=1)
    assert run(jobs(store))["error"] == "boom"


def test_without_held_out_pictures_nothing_is_claimed(program, tmp_path, jobs):
    store = make_store(tmp_path / "other")
    fill(store, "cup", 20, "aaaaaaaa")
    fill(store, "mug", 20, "bbbbbbbb", 50)
    program.answer("train", TRAINED)
    result = run(jobs(store))["result"]
    assert result["accuracy"] is None and "at least twice" in result["sentence"] and result["curve"] == []
    assert [call[0] for call in program.calls] == ["train"]


def test_model_is_used_with_the_threshold_of_the_slider(program, store, jobs, tmp_path):
    program.answer("train", TRAINED)
    program.answer("evaluate", evaluated("x"))
    shutil.copytree(bundle_folder(tmp_path / "made"), program.folder / "model")
    installed = []

    def install(path, name):
        installed.append(read_bundle(path).confidence_threshold)
        return {"name": "flowers"}

    job = jobs(store, install=install)
    with pytest.raises(TeachingError, match="no trained model"):
        job.use(None)
    run(job)
    assert job.use(0.62) == {"name": "flowers"} and installed == [0.62]
    assert job.describe()["state"] == "none"


def test_blocked_installation_is_named_before_the_work(store, jobs):
    job = jobs(store, find_blocked_reason=lambda: "models come signed")
    assert (job.describe()["possible"], job.describe()["reason"]) == (False, "models come signed")
    with pytest.raises(TeachingError, match="models come signed") as caught:
        job.start()
    assert caught.value.status == 403


def test_failed_installation_keeps_the_result(program, store, jobs, tmp_path):
    program.answer("train", TRAINED)
    program.answer("evaluate", evaluated("x"))
    shutil.copytree(bundle_folder(tmp_path / "made"), program.folder / "model")

    def refuse(path, name):
        raise StoreError("no")

    job = jobs(store, install=refuse)
    run(job)
    with pytest.raises(StoreError):
        job.use(None)
    assert job.describe()["state"] == "done"
