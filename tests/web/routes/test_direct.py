"""Bodies of direct routes are read at once, with the same sentences as those of all others."""

import logging
import socket

import pytest
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel

from appliance.web.routes.direct import read_json
from appliance.web.routes.errors import describe_invalid
from support.broker import wait_until
from support.web import HOST

PATH = "/v1/models/default:predict"


class Body(BaseModel):
    """A number and a list."""

    number: int
    texts: list[str] = []


def describe_fault(body):
    with pytest.raises(RequestValidationError) as raised:
        read_json(Body, body)
    return describe_invalid(raised.value.errors())


@pytest.mark.parametrize("body", [b'{"number": 5}', b'\xef\xbb\xbf{"number": 5}', b' {"other": 1, "number": 5.0}\r\n'])
def test_values_are_read(body):
    assert read_json(Body, body).number == 5


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "needs a body"),
        (b"{", "not JSON"),
        (b"number=5", "not JSON"),
        (b'{"number": 5}x', "not JSON"),
        (b'\xff\xfe{\x00"\x00', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "must be a JSON object"),
        (b"{}", "number is missing"),
        (b'{"number": 1.5}', "number must be a whole number"),
        (b'{"number": 1, "texts": ["a", 2]}', "texts.1 must be a text"),
    ],
)
def test_other_bodies_are_one_sentence(body, words):
    sentence = describe_fault(body)
    assert words in sentence and "\n" not in sentence and len(sentence) < 200


def test_answer_is_json_with_the_headers_of_every_answer(admin):
    answer = admin.send("POST", PATH, {"instances": []})
    assert answer.headers["content-type"] == "application/json" and answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_other_methods_are_refused(admin, method):
    assert admin.send(method, PATH).status == 405


def test_request_that_is_cut_off_is_no_fault_of_the_device(device, admin, caplog):
    guard = device.service.page._running.server._app.guard
    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n"
    head += f"Authorization: {admin.headers['Authorization']}\r\n\r\n"
    with caplog.at_level(logging.WARNING, "appliance.web"):
        with socket.create_connection((HOST, device.port)) as connection:
            connection.sendall(head.encode() + b'{"instances": [')
            wait_until(lambda: guard._large == 1, "the body is awaited")
        wait_until(lambda: guard._large == 0, "the request has ended")
    assert not [record for record in caplog.records if record.name == "appliance.web"]
