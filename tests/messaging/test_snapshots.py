"""Test requests for a snapshot: shared, answered once, and with a time limit."""

import pytest

from appliance.errors import MessagingError, PictureError
from appliance.messaging.snapshots import SnapshotRequests
from support.messaging import ManualTimers


@pytest.fixture
def timers():
    return ManualTimers()


def test_callers_share_one_request(timers):
    requests = SnapshotRequests(timers.start)
    first, second = requests.add(), requests.add()
    request = requests.take()
    assert requests.take() is None
    request.finish(None)
    assert first.result(0) is second.result(0) is None
    assert requests.add() is not first


def test_failure_reaches_the_future(timers):
    requests = SnapshotRequests(timers.start)
    future = requests.add()
    requests.take().finish(PictureError("the picture is too wide"))
    with pytest.raises(PictureError):
        future.result(0)


def test_request_expires(timers):
    requests = SnapshotRequests(timers.start)
    future = requests.add()
    timers.advance(11)
    with pytest.raises(MessagingError, match="10 s"):
        future.result(0)
    assert requests.take() is None


def test_answered_request_does_not_expire(timers):
    requests = SnapshotRequests(timers.start)
    future = requests.add()
    requests.take().finish(None)
    later = requests.add()
    timers.advance(5)
    assert future.result(0) is None
    assert not later.done()


def test_close_fails_the_pending_request(timers):
    requests = SnapshotRequests(timers.start)
    future = requests.add()
    requests.close()
    requests.close()
    with pytest.raises(MessagingError):
        future.result(0)
