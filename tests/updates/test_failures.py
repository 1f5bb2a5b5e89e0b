"""Test how failures are described and faults are logged."""

from appliance.errors import SourceError
from appliance.updates.failures import FaultLog, describe_failure


def test_failure_is_one_sentence_without_paths():
    assert describe_failure(SourceError("/a/b/c.zip is damaged")) == "c.zip is damaged"
    assert describe_failure(OSError(28, "No space left on device", "/var/lib/appliance/update.json")).startswith(
        "update.json: "
    )
    assert "KeyError" in describe_failure(KeyError("x"))


def test_fault_is_logged_once(caplog):
    faults = FaultLog()
    for _ in range(3):
        try:
            raise KeyError("x")
        except KeyError as error:
            faults.report(error)
    assert caplog.text.count("an update failed") == 1
