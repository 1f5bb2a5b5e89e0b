"""Responses as values."""

import pytest

from appliance.errors import HttpStatusError, SourceError
from appliance.transport.responses import (
    HttpResponse,
    Validators,
    make_status_error,
    parse_retry_after_s,
    read_content_length,
    read_validators,
)


def test_retry_after_is_seconds_or_a_date_up_to_a_day():
    assert parse_retry_after_s({"retry-after": "7"}) == 7
    assert parse_retry_after_s({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, now_s=1445412420) == pytest.approx(60)
    assert parse_retry_after_s({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, now_s=2e9) == 0
    assert parse_retry_after_s({"retry-after": "999999999"}) == 86400
    assert parse_retry_after_s({"retry-after": "soon"}) is None and parse_retry_after_s({}) is None


@pytest.mark.parametrize(
    ("text", "length"), [("100", 100), (" 7 ", 7), ("", None), ("-1", None), ("1e3", None), ("9" * 18, None)]
)
def test_content_length_is_a_number_or_missing(text, length):
    assert read_content_length({"content-length": text}) == length


def test_validators_are_those_of_the_headers():
    validators = read_validators({"etag": '"a"', "last-modified": "Wed"})
    assert validators == Validators('"a"', "Wed")
    assert validators.conditions == {"If-None-Match": '"a"', "If-Modified-Since": "Wed"}
    assert not read_validators({}) and read_validators({}).conditions == {}


@pytest.mark.parametrize(
    ("validators", "for_range"),
    [(Validators('"a"', "Wed"), '"a"'), (Validators('W/"a"', "Wed"), None), (Validators(None, "Wed"), "Wed")],
)
def test_rest_is_requested_by_a_strong_validator(validators, for_range):
    assert validators.for_range == for_range


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        (Validators('"a"', "Wed"), Validators('"a"', "Thu"), True),
        (Validators('W/"a"'), Validators('"a"'), True),
        (Validators('"a"', "Wed"), Validators('"b"', "Wed"), False),
        (Validators('"a"', "Wed"), Validators(None, "Wed"), True),
        (Validators(None, "Wed"), Validators(None, "Thu"), False),
    ],
)
def test_state_is_compared_by_etag_else_by_date(first, second, is_same):
    assert first.is_same_state(second) == is_same


def test_body_that_is_no_json_is_an_error():
    assert HttpResponse("https://a/b", 200, {}, b'{"x": 1}').json() == {"x": 1}
    with pytest.raises(SourceError, match=r"https://a/b is not JSON$"):
        HttpResponse("https://a/b?key=s", 200, {}, b"{").json()
    with pytest.raises(SourceError, match="web page"):
        HttpResponse("https://a/b", 200, {}, b" <!DOCTYPE html>").json()


@pytest.mark.parametrize(("status", "fact"), [(401, "account"), (404, "not found"), (418, "answered 418 teapot")])
def test_status_error_keeps_status_wait_and_body(status, fact):
    class Head:
        url, reason, headers = "https://me:pw@a/b?key=s", "teapot", {"retry-after": "9"}

    Head.status = status
    error = make_status_error(Head(), b"x" * 10_000)
    assert isinstance(error, HttpStatusError) and fact in str(error)
    assert (error.status, error.retry_after_s, len(error.body)) == (status, 9, 4096)
    assert "pw" not in str(error) and "key" not in str(error)
