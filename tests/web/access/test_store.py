"""Sign-in codes, sessions and tokens: how long they last, how often they can be used, and what is on the disk."""

import pytest

from appliance.errors import WebAccessError
from appliance.web.access.principal import Scope
from appliance.web.access.store import CODE_LIMIT_S, FILE_NAME, MAX_SESSIONS, MAX_TOKENS, SESSION_LIMIT_S, AccessStore


class Clock:
    def __init__(self):
        self.now_s = 1_000_000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(tmp_path, clock):
    return AccessStore(tmp_path, clock, clock)


def test_code_signs_in_once(store):
    code = store.make_code()
    session_id = store.redeem_code(code)
    assert store.find_session(session_id).scope is Scope.ADMIN
    assert store.redeem_code(code) is None


def test_code_has_128_bits_and_differs_each_time(store):
    codes = {store.make_code() for _ in range(10)}
    assert len(codes) == 10 and all(len(code) >= 22 for code in codes)


@pytest.mark.parametrize("code", ["", "x", "ä" * 30, "\ud800", "a" * 10_000])
def test_wrong_code_does_not_sign_in(store, code):
    store.make_code()
    assert store.redeem_code(code) is None


def test_code_expires_after_ten_minutes(store, clock):
    code = store.make_code()
    clock.now_s += CODE_LIMIT_S
    assert store.redeem_code(code) is None


def test_session_survives_a_restart_and_its_id_is_not_on_the_disk(store, tmp_path, clock):
    session_id = store.redeem_code(store.make_code())
    secret = store.new_token("a", Scope.READ)
    text = (tmp_path / FILE_NAME).read_text()
    assert session_id not in text and secret not in text
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600
    again = AccessStore(tmp_path, clock, clock)
    assert again.find_session(session_id) and again.find_token(secret).scope is Scope.READ


def test_session_is_prolonged_by_use_and_ends_30_days_after_it(store, clock, tmp_path):
    session_id = store.redeem_code(store.make_code())
    for _ in range(3):
        clock.now_s += SESSION_LIMIT_S - 10
        assert AccessStore(tmp_path, clock, clock).find_session(session_id)
    clock.now_s += SESSION_LIMIT_S + 10
    assert AccessStore(tmp_path, clock, clock).find_session(session_id) is None


def test_sessions_are_limited_and_the_longest_unused_ends(store, clock):
    ids = []
    for _ in range(MAX_SESSIONS + 1):
        clock.now_s += 1
        ids.append(store.redeem_code(store.make_code()))
    assert store.find_session(ids[0]) is None and store.find_session(ids[1]) and store.find_session(ids[-1])


def test_sign_out_ends_one_session_and_everywhere_ends_all(store):
    first, second, third = (store.redeem_code(store.make_code()) for _ in range(3))
    principal = store.find_session(first)
    assert store.is_valid(principal)
    store.end_session(principal)
    assert not store.is_valid(principal) and store.find_session(first) is None and store.find_session(second)
    unused = store.make_code()
    assert store.end_all_sessions() == 2
    assert store.find_session(second) is store.find_session(third) is None and store.redeem_code(unused) is None


def test_token_is_revoked_at_once_and_after_a_restart(store, tmp_path):
    secret = store.new_token("robot", Scope.ADMIN)
    principal = store.find_token(secret)
    assert (principal.scope, store.is_valid(principal)) == (Scope.ADMIN, True)
    store.revoke_token("robot")
    assert store.find_token(secret) is None and not store.is_valid(principal)
    assert AccessStore(tmp_path).find_token(secret) is None
    with pytest.raises(WebAccessError, match="--tokens"):
        store.revoke_token("robot")


@pytest.mark.parametrize("name", ["", "a b", "../x", "-x", "a" * 65, "ä"])
def test_token_needs_a_plain_name(store, name):
    with pytest.raises(WebAccessError, match="letters"):
        store.new_token(name, Scope.READ)


def test_tokens_have_distinct_names_and_are_limited(store):
    store.new_token("a", Scope.READ)
    with pytest.raises(WebAccessError, match="--revoke a"):
        store.new_token("a", Scope.READ)
    for number in range(MAX_TOKENS - 1):
        store.new_token(f"t{number}", Scope.READ)
    with pytest.raises(WebAccessError, match="revoke one"):
        store.new_token("z", Scope.READ)
    assert [token.name for token in store.list_tokens()][:2] == ["a", "t0"]


def test_revocation_that_cannot_be_written_acts_but_is_reported(store, tmp_path):
    secret = store.new_token("robot", Scope.ADMIN)
    file = tmp_path / FILE_NAME
    file.unlink()
    file.mkdir()
    with pytest.raises(WebAccessError, match="restart"):
        store.revoke_token("robot")
    assert store.find_token(secret) is None


@pytest.mark.parametrize("text", ["{", '{"tokens": 1}', '{"tokens": [{"name": "a", "scope": "root"}], "sessions": []}'])
def test_damaged_file_lets_nobody_in(tmp_path, text):
    (tmp_path / FILE_NAME).write_text(text)
    store = AccessStore(tmp_path)
    assert store.list_tokens() == () and store.find_session("x") is None
