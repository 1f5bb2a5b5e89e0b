"""The status of a site, and the check of every file that it vouches for."""

import json
import os
from datetime import UTC, datetime, timedelta

import pytest

from appliance.errors import PublishError
from appliance.workshop.publishing.inspection import read_site_status
from appliance.workshop.publishing.keys import ROOT, KeyFolder
from appliance.workshop.publishing.signed_site import SignedSite
from support.model_server import ModelServer
from support.publishing import list_faults, read_files


def test_status_warns_two_weeks_before_expiry(operator):
    now = datetime.now(UTC)
    status = read_site_status(operator.site, KeyFolder(operator.keys))
    assert not status.expires_soon and all(role.have_keys for role in status.roles)
    days = {role.role: round((role.expires - now) / timedelta(days=1)) for role in status.roles}
    assert days == {"root": 365, "targets": 90, "snapshot": 90, "timestamp": 90}
    assert not read_site_status(operator.site, now=now + timedelta(days=75)).expires_soon
    assert read_site_status(operator.site, now=now + timedelta(days=77)).expires_soon


def test_check_finds_every_missing_or_modified_file(operator, bundles):
    operator.publisher().push(bundles["1.0"])
    operator.publisher().rotate(["timestamp"])
    operator.publisher().push(bundles["2.0"], percent=10)
    newest = {operator.file(role).name for role in (ROOT, "targets", "snapshot")}
    channel = max((operator.site / "targets/channels").iterdir(), key=os.path.getmtime)
    in_force = [
        name
        for name in read_files(operator.site)
        if name.endswith((".zip", "timestamp.json", channel.name)) or name.split("/")[-1] in newest
    ]
    assert len(in_force) == 7
    for name in in_force:
        file = operator.site / name
        good = file.read_bytes()
        file.write_bytes(good[:-2] + b"xx")
        assert list_faults(operator.site, operator.root), name
        file.unlink()
        found = list_faults(operator.site, operator.root)
        assert any(
            "does not exist" in fault or "is missing" in fault or "not signed" in fault or "partly deployed" in fault
            for fault in found
        ), (
            name,
            found,
        )
        file.write_bytes(good)
    assert list_faults(operator.site, operator.root) == []


def test_check_finds_a_partly_deployed_site_over_the_network(operator, bundles):
    operator.publisher().push(bundles["1.0"])
    with ModelServer(operator.site) as server:
        assert list_faults(server.url(), operator.root) == []
        with pytest.raises(PublishError, match="--keys"):
            list_faults(server.url())
    with ModelServer() as server:
        server.put_folder(operator.site)
        missing = operator.file("snapshot").name
        del server.files[f"/metadata/{missing}"]
        [fault] = list_faults(server.url(), operator.root)
        assert "partly deployed" in fault and missing in fault


def test_check_finds_rewrites_missing_and_invalid_bundles(operator):
    hosting = json.loads((operator.site / "firebase.json").read_bytes())
    hosting["hosting"]["rewrites"] = [{"source": "**", "destination": "/index.html"}]
    (operator.site / "firebase.json").write_text(json.dumps(hosting))
    with SignedSite(operator.site) as site:
        entries = [{"bundle": "bundles/no.zip", "version": "1"}]
        site.put("channels/stable.json", json.dumps({"seed": "x", "entries": entries}).encode())
        site.put("bundles/colours-2.0.zip", b"PK no zip")
        site.publish(KeyFolder(operator.keys), datetime.now(UTC))
    found = " ".join(list_faults(operator.site))
    assert "rewrites" in found and "lists bundles/no.zip" in found and "not a valid bundle" in found
