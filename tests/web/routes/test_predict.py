"""Predictions in the forms that the clients of TensorFlow Serving and Vertex AI send."""

import base64
import threading

import pytest

from appliance.web.access.principal import Scope
from support.broker import wait_until

PATHS = ["/v1/models/default:predict", "/v1/models/flowers:predict", "/v1/projects/p/locations/l/endpoints/1:predict"]


@pytest.fixture(scope="module")
def picture(admin):
    return base64.b64encode(admin.get("/api/frame.jpg").body).decode()


@pytest.fixture(scope="module")
def reader(device):
    return device.program(Scope.READ)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "form", [lambda p: {"b64": p}, lambda p: {"content": p}, lambda p: {"image_bytes": {"b64": p}}]
)
def test_every_form_is_answered(reader, picture, path, form):
    answer = reader.send("POST", path, {"instances": [form(picture), form(picture)]}).json
    assert answer["modelDisplayName"] == "flowers" and len(answer["predictions"]) == 2
    first = answer["predictions"][0]
    assert len(first["ids"]) == len(first["displayNames"]) == len(first["confidences"]) == 6
    assert first["confidences"] == sorted(first["confidences"], reverse=True)


@pytest.mark.parametrize(
    "encode",
    [
        lambda data: base64.urlsafe_b64encode(data).decode(),
        lambda data: base64.encodebytes(data).decode(),
        lambda data: base64.encodebytes(data).decode().replace("\n", "\r\n"),
    ],
)
def test_other_spellings_of_base64_get_the_same_labels(reader, picture, encode):
    other = encode(base64.b64decode(picture))
    assert other != picture
    answer = reader.send("POST", PATHS[0], {"instances": [{"b64": picture}, {"b64": other}, other]}).json
    first, *others = answer["predictions"]
    assert others == [first, first]


def test_answer_has_the_keys_of_its_description(reader, admin, picture):
    answer = reader.send("POST", PATHS[0], {"instances": [picture]}).json
    schemas = admin.get("/api/openapi.json").json["components"]["schemas"]
    assert set(answer) == set(schemas["PredictAnswer"]["properties"])
    assert set(answer["predictions"][0]) == set(schemas["LabelsOfPicture"]["properties"])


def test_parameters_select_labels(reader, picture):
    parameters = {"confidenceThreshold": 0.0, "maxPredictions": 2.0}
    body = {"instances": [{"content": picture}], "parameters": parameters}
    [prediction] = reader.send("POST", PATHS[0], body).json["predictions"]
    assert len(prediction["ids"]) == 2
    body["parameters"] = {"confidenceThreshold": 1}
    [prediction] = reader.send("POST", PATHS[0], body).json["predictions"]
    assert all(score >= 1 for score in prediction["confidences"])


BAD = [
    ({}, 422),
    ({"instances": []}, 422),
    ({"instances": [{}]}, 400),
    ({"instances": [{"b64": "not base64!"}]}, 400),
    ({"instances": [{"b64": base64.b64encode(b"no picture").decode()}]}, 422),
    ({"instances": [{"b64": 5}]}, 422),
    ({"instances": [{"image_bytes": {"image_bytes": {"b64": "YQ=="}}}]}, 400),
    ({"instances": [{"b64": "YQ=="}] * 17}, 422),
    ({"instances": [{"b64": "YQ=="}], "parameters": {"confidenceThreshold": 2}}, 422),
    ({"instances": [{"b64": "YQ=="}], "parameters": {"maxPredictions": -1}}, 422),
]


@pytest.mark.parametrize(("body", "status"), BAD)
def test_bad_request_is_one_sentence(reader, body, status):
    answer = reader.send("POST", PATHS[0], body)
    assert answer.status == status and answer.error


def test_unknown_model_names_the_one_that_runs(reader, picture):
    answer = reader.send("POST", "/v1/models/other:predict", {"instances": [{"b64": picture}]})
    assert answer.status == 404 and "flowers" in answer.error


def test_live_labeling_goes_on_while_clients_predict(device, reader, picture):
    stop = threading.Event()

    def predict():
        while not stop.is_set():
            reader.send("POST", PATHS[0], {"instances": [{"b64": picture}] * 4})

    threads = [threading.Thread(target=predict) for _ in range(4)]
    for thread in threads:
        thread.start()
    before = device.device.latest_frame().number
    try:
        wait_until(lambda: device.device.latest_frame().number > before + 15, "frames are labeled")
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_prediction_waits_for_no_other_request(device, reader, picture, monkeypatch):
    release, waiting = threading.Event(), threading.Semaphore(0)

    def describe(_):
        waiting.release()
        release.wait(20)
        return {}

    monkeypatch.setattr(type(device.device), "describe_status", describe)
    others = [threading.Thread(target=reader.get, args=("/api/status",)) for _ in range(12)]
    for other in others:
        other.start()
    try:
        # All threads that answer requests are busy.
        assert all(waiting.acquire(timeout=20) for _ in others)
        assert reader.send("POST", PATHS[0], {"instances": [{"b64": picture}]}, timeout_s=5).status == 200
    finally:
        release.set()
        for other in others:
            other.join()
