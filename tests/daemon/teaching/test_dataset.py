"""The dataset of a running daemon: events, recording over the control socket, and what the collector notices."""

import os
import time

import pytest

from appliance.control.client import ask
from appliance.control.protocol import ControlCommand, make_request
from appliance.errors import ControlError
from appliance.teaching.wording import Target
from support.broker import wait_until
from support.teaching import collect, counts, make_jpeg
from support.web import WebDevice


@pytest.fixture(scope="module")
def device(tmp_path_factory):
    pytest.importorskip("fastapi")
    with WebDevice(tmp_path_factory.mktemp("web")) as running:
        yield running


@pytest.fixture
def dataset(device):
    return device.service._teaching.dataset


def record(device, **argument):
    return ask(device.service._control.path, make_request(ControlCommand.RECORD, argument))


def test_wrong_event_is_filed_once_and_moves_with_a_second_choice(dataset):
    dataset.file_event("9f8e-1", dataset.find_event_target("hot dog"), make_jpeg(1))
    dataset.file_event("9f8e-1", dataset.find_event_target("cup"), make_jpeg(1))
    assert counts(dataset.store) == {"cup": 1, "hot_dog": 0}
    dataset.file_event("9f8e-1", dataset.find_event_target("background"), make_jpeg(1))
    (picture,) = dataset.list_pictures(Target(is_background=True), "newest", None, 10)["pictures"]
    assert (picture["origin"], picture["id"], picture["background"]) == ("event", "event-9f8e-1", True)
    dataset.delete_pictures([picture["id"]])


def test_recording_over_the_control_socket_counts_and_ends(device, dataset):
    state = record(device, label="Own cup", every_s=0.1, count=2)
    assert state["active"] and state["label"] == "Own_cup" and state["folder"] == str(dataset.store.folder)

    def is_over():
        return not record(device, label="Own cup", every_s=0.1, count=2, renew=True)["active"]

    wait_until(is_over, "two different pictures", 40)
    assert counts(dataset.store)["Own_cup"] == 2
    assert record(device, stop=True)["kept"] == 2


@pytest.mark.parametrize(
    "argument", [{}, {"label": 3}, {"label": "a", "background": True}, {"label": "a", "count": "x"}]
)
def test_foreign_request_is_refused(device, argument):
    with pytest.raises(ControlError, match="same version"):
        record(device, **argument)


def test_collected_frame_that_is_labeled_is_no_longer_counted_there(device, dataset):
    collector = device.service.parts.collector
    collector.set_enabled(True)
    try:
        picture = collect(device.state)
        collector.notice_changes()
        wait_until(lambda: collector.stats()["pictures"] >= 1, "the collected frame")
        dataset.move_pictures([picture], Target("cup"))
        folder = device.state / "collected"  # which meanwhile may have got another frame
        wait_until(lambda: collector.stats()["pictures"] == len([*folder.glob("*.jpg")]), "the frame to be gone")
    finally:
        collector.set_enabled(False)


def test_only_one_import_or_export_runs(dataset):
    with dataset._take_turn(), pytest.raises(ControlError, match="in progress"), dataset._take_turn():
        pass


def test_old_export_is_gone(dataset):
    folder = dataset.store.work_folder / "exports"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "abc.zip").write_bytes(b"PK")
    os.utime(folder / "abc.zip", (time.time() - 3600,) * 2)
    with pytest.raises(Exception, match="too old"):
        dataset.take_export("abc")
    assert not (folder / "abc.zip").exists()
