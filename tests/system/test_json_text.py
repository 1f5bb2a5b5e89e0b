"""JSON from the disk: what is returned can be encoded again, everything else is a ValueError."""

import json

import pytest

from appliance.system.json_text import MAX_DEPTH, parse_json


def nest(levels):
    return b"[" * levels + b"]" * levels


@pytest.mark.parametrize(
    "content", [b'{"a":[1,2.5,"\xc2\xbd",null,true]}', b'"\\ud83d\\ude00"', b"1e99", nest(MAX_DEPTH)]
)
def test_sound_json_is_returned(content):
    value = parse_json(content)
    assert json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    assert value == json.loads(content)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"\xff", b"NaN", b"[-Infinity]", b"1e999", b'{"a":-1e400}', b'"\\ud800"', b'{"\\udfff":1}',
        "\ud800", nest(MAX_DEPTH + 1), nest(3000), nest(100_000), b'{"a":' * 3000 + b"1" + b"}" * 3000, b"9" * 5000,
        b"9" * 21, b"9" * 400 + b".0",
    ],
    ids=lambda content: str(content)[:20],
)  # fmt: skip
def test_everything_else_is_a_value_error(content):
    with pytest.raises(ValueError, match=r"."):
        parse_json(content)
