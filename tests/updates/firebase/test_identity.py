"""Test the identity of an installation: its id, the lifetime of its token, and its file."""

import re

import pytest

from appliance.updates.firebase.identity import Identity, decode_identity, encode_identity, generate_fid

IDENTITY = Identity("project", "app", "fid", "refresh", "token", 1_800_000_000.0, 604_800.0)

# The values in the file as an earlier release wrote it.
OLD_VALUES = {
    "project_id": "project",
    "app_id": "app",
    "fid": "fid",
    "refresh_token": "refresh",
    "token": "token",
    "made_s": 1_800_000_000.0,
    "lasts_s": 604_800.0,
}


def test_new_id_has_the_form_that_firebase_wants():
    assert all(re.fullmatch(r"[cdef][\w-]{21}", generate_fid(), re.ASCII) for _ in range(200))
    assert generate_fid(lambda size: bytes(range(size))) == "cAECAwQFBgcICQoLDA0ODx"


def test_file_keeps_its_keys():
    assert encode_identity(IDENTITY) == OLD_VALUES and encode_identity(None) is None
    assert decode_identity(OLD_VALUES) == IDENTITY == decode_identity(OLD_VALUES | {"new": 1})


@pytest.mark.parametrize("change", [{"fid": ""}, {"token": 5}, {"made_s": "now"}, {"lasts_s": None}])
def test_invalid_value_is_an_error(change):
    with pytest.raises(TypeError):
        decode_identity(OLD_VALUES | change)


@pytest.mark.parametrize("key", OLD_VALUES)
def test_missing_value_is_an_error(key):
    with pytest.raises(KeyError, match=key):
        decode_identity({name: value for name, value in OLD_VALUES.items() if name != key})


@pytest.mark.parametrize(("age_s", "is_valid"), [(0, True), (601_000, True), (601_200, False), (-1, False)])
def test_token_is_valid_until_an_hour_before_its_end(age_s, is_valid):
    assert IDENTITY.is_valid(IDENTITY.made_s + age_s) is is_valid


def test_representation_hides_the_tokens():
    assert "refresh=" not in repr(IDENTITY) and "token=" not in repr(IDENTITY)
