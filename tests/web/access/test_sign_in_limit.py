"""Failed sign-ins are limited for each address."""

from appliance.web.access.sign_in_limit import MAX_FAILURES, WINDOW_S, SignInLimit


def make():
    now = [0.0]
    return SignInLimit(lambda: now[0]), now


def fail(limit, address, times=MAX_FAILURES):
    for _ in range(times):
        limit.record_failure(address)


def test_ten_failures_lock_one_address_for_a_minute():
    limit, now = make()
    fail(limit, "10.0.0.1", MAX_FAILURES - 1)
    assert not limit.is_exceeded("10.0.0.1")
    fail(limit, "10.0.0.1", 100)
    assert limit.is_exceeded("10.0.0.1") and not limit.is_exceeded("10.0.0.2")
    now[0] = WINDOW_S
    assert not limit.is_exceeded("10.0.0.1")


def test_ipv6_network_counts_as_one_address():
    limit, _ = make()
    for number in range(MAX_FAILURES):
        limit.record_failure(f"fd00::{number:x}%eth0")
    assert limit.is_exceeded("fd00::ffff") and not limit.is_exceeded("fd00:0:0:1::1")
    assert not limit.is_exceeded("::ffff:10.0.0.1")


def test_many_addresses_take_bounded_memory():
    limit, _ = make()
    for number in range(3000):
        limit.record_failure(f"10.0.{number // 256}.{number % 256}")
    assert len(limit._failures) == 1000
    fail(limit, "no address")
    assert limit.is_exceeded("no address")
