"""Training over HTTP; the job itself is tested in tests/daemon/teaching."""

import pytest

from support.teaching import fill


def test_nothing_can_be_trained_without_pictures(device, admin):
    answer = admin.get("/api/training").json
    assert (answer["state"], answer["possible"], answer["result"]) == ("none", False, None)
    assert "two labels" in answer["reason"] and answer["command"] is None
    refused = admin.send("POST", "/api/training")
    assert refused.status == 409 and refused.error == answer["reason"]


def test_half_taught_labels_are_named(device, admin):
    store = device.service._teaching.dataset.store
    fill(store, "cup", 4)
    assert admin.get("/api/training").json["left_out_labels"] == [{"label": "cup", "count": 4}]


@pytest.mark.parametrize(
    ("body", "status"), [(None, 409), ({"threshold": None}, 409), ({"threshold": 2}, 422), ({"threshold": "x"}, 422)]
)
def test_without_a_result_nothing_can_be_used(admin, body, status):
    answer = admin.send("POST", "/api/training/use", body)
    assert answer.status == status and answer.error


def test_ending_without_a_job_changes_nothing(admin):
    assert admin.send("DELETE", "/api/training").json["state"] == "none"
