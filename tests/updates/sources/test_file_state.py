"""Test what is taken from a server's headers."""

import base64
import hashlib

from appliance.transport.responses import HttpResponse
from appliance.updates.sources.file_state import extract_digest, find_token


def token(**headers):
    return find_token(
        HttpResponse("https://a/m", 200, {name.replace("_", "-"): text for name, text in headers.items()})
    )


def test_best_statement_of_the_server_is_the_token():
    md5 = base64.b64encode(hashlib.md5(b"x").digest()).decode()
    assert token(etag='"1"', x_goog_hash=f"crc32c=AA,md5={md5}") == f"md5:{hashlib.md5(b'x').hexdigest()}"
    assert token(etag='"1"', last_modified="d") == 'etag:"1"'
    assert token(last_modified="d", content_length="5") == "date:d:5"
    assert token() is None


def test_digest_is_read_from_a_token():
    assert extract_digest("sha256:ab", "sha256") == "ab" and extract_digest("etag:1", "sha256") is None
