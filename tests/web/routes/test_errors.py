"""What is wrong with a request, in words that its sender can act on."""

import pytest

JARGON = ("dictionary", "parse", "validation", "Instance", "jSON")


@pytest.mark.parametrize(
    ("method", "path", "body", "words"),
    [
        ("PUT", "/api/threshold", b'{"value": 2}', ("value", "at most 1")),
        ("PUT", "/api/threshold", b'{"value": "0.5"}', ("value", "a number")),
        ("PUT", "/api/threshold", b"{}", ("value is missing",)),
        ("PUT", "/api/threshold", b"", ("needs a body",)),
        ("PUT", "/api/threshold", b"0.5", ("the body must be a JSON object",)),
        ("PUT", "/api/threshold", b'{"value": 0.5', ("not JSON", "character 13")),
        ("PUT", "/api/threshold", b'{"value": NaN}', ("value", "finite number")),
        ("PUT", "/api/running", b'{"value": "OFF"}', ("value", "true or false")),
        ("GET", "/api/frame.jpg?width=wide", None, ("width", "a whole number")),
        ("GET", "/api/events?limit=0", None, ("limit", "at least 1")),
        ("GET", "/api/dataset/pictures?order=best", None, ("order", "'newest'")),
        ("POST", "/v1/models/default:predict", b'{"instances": []}', ("instances", "at least 1 entries, not 0")),
        ("POST", "/v1/models/default:predict", b'{"instances": [[1]]}', ("instances.0", "JSON object")),
        ("POST", "/v1/models/default:predict", b'{"instances": "x"}', ("instances", "a list")),
        ("PATCH", "/api/dataset/pictures", b'{"ids": [1]}', ("ids.0", "text in quotes")),
    ],
)
def test_fault_of_a_request_is_named_without_jargon(admin, method, path, body, words):
    answer = admin.send(method, path, body, {"Content-Type": "application/json"})
    assert answer.status == 422
    assert all(word in answer.error for word in words), answer.error
    assert not any(word in answer.error for word in JARGON), answer.error
