"""Test `appliance publish refresh`: how long the signatures are valid."""

from datetime import UTC, datetime, timedelta

from support.signed_site import Operator


def test_refresh_signs_the_root_if_the_rest_would_outlive_it(tmp_path, publish):
    operator = Operator(tmp_path, now=datetime.now(UTC) - timedelta(days=250))
    (operator.keys / "root").rename(tmp_path / "safe")
    _, out, err = publish("refresh", "--days", "200")
    assert f"until {datetime.now(UTC) + timedelta(days=115):%Y-%m-%d}" in out and "--root-keys" in err
    _, out, err = publish("refresh", "--days", "200", "--root-keys", tmp_path / "safe")
    assert f"until {datetime.now(UTC) + timedelta(days=200):%Y-%m-%d}" in out and "--root-keys" not in err
    _, out, err = publish("refresh", "--days", "400", "--root-keys", tmp_path / "safe")
    assert f"until {datetime.now(UTC) + timedelta(days=365):%Y-%m-%d}" in out and "--root-keys" not in err


def test_upload_hint_names_the_site(tmp_path, publish):
    Operator(tmp_path)
    status, out, err = publish("refresh", "--days", "30")
    assert status == 0
    assert f"{datetime.now(UTC) + timedelta(days=30):%Y-%m-%d}" in out
    assert str(tmp_path / "site") in err


def test_missing_keys_are_an_error(tmp_path, publish):
    operator = Operator(tmp_path)
    operator.keys.rename(tmp_path / "away")
    status, out, err = publish("refresh")
    assert (status, out) == (1, "")
    assert "key" in err
