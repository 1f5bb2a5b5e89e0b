"""Test `appliance publish rotate`: new keys, and which old key files to delete."""

import pytest

from support.signed_site import Operator


@pytest.fixture
def operator(tmp_path):
    operator = Operator(tmp_path)
    operator.put("1.0")
    return operator


@pytest.mark.parametrize("roles", [["timestamp"], ["root"], ["targets", "snapshot"]], ids=" ".join)
def test_files_of_old_keys_are_listed(operator, publish, roles):
    before = {file.name for role in roles for file in operator.keys.rglob(f"{role}-*.pem")}
    status, out, err = publish("rotate", *roles)
    assert status == 0
    retired = {file for role in roles for file in operator.keys.rglob(f"retired/{role}-*.pem")}
    assert {file.name for file in retired} == before
    assert all(str(file) in out for file in retired)
    assert str(operator.site) in err
    assert publish("check")[0] == 0


def test_unknown_role_changes_nothing(operator, publish):
    before = {file: file.read_bytes() for file in operator.site.rglob("*") if file.is_file()}
    status, out, err = publish("rotate", "timestamp", "mirror")
    assert (status, out) == (1, "")
    assert "mirror" in err
    assert {file: file.read_bytes() for file in operator.site.rglob("*") if file.is_file()} == before


def test_role_is_required(publish):
    with pytest.raises(SystemExit) as ended:
        publish("rotate")
    assert ended.value.code == 2
