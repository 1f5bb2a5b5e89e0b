"""Test requests: the answers to the owner, and the queue."""

import pytest

from appliance.errors import UpdateError
from appliance.updates.policy import Decision, OfferAction
from appliance.updates.requests import RequestQueue, UpdateRequest
from appliance.updates.sources.source import Offer

OFFER = Offer("hash", version="2.0")


@pytest.mark.parametrize(
    ("decision", "offer", "taken", "current"),
    [
        (Decision(OfferAction.TAKE), OFFER, True, False),
        (Decision(OfferAction.RUNS), OFFER, False, True),
        (Decision(OfferAction.ANNOUNCE), OFFER, False, False),
        (Decision(OfferAction.SKIP, "older"), OFFER, False, False),
        (Decision(OfferAction.NOTHING, "nothing"), None, False, False),
    ],
)
def test_check_is_answered_with_the_decision(decision, offer, taken, current):
    request = UpdateRequest(None)
    request.answer(decision, offer)
    assert request.future.result(0) == {
        "offered": "2.0" if offer else None,
        "taken": taken,
        "current": current,
        "reason": decision.reason,
    }


@pytest.mark.parametrize(
    ("decision", "offer", "error"),
    [
        (Decision(OfferAction.RUNS), OFFER, "2.0 is already installed"),
        (Decision(OfferAction.NOTHING, "nothing is offered"), None, "nothing is offered"),
        (Decision(OfferAction.DENY, "on probation"), OFFER, "on probation"),
    ],
)
def test_install_of_another_decision_raises(decision, offer, error):
    request = UpdateRequest("latest")
    with pytest.raises(UpdateError, match=error):
        request.answer(decision, offer)
    assert not request.future.done()


def test_refusal_of_the_candidate_fails_an_install():
    request = UpdateRequest("latest")
    request.answer(Decision(OfferAction.TAKE), OFFER, "2.0 was refused: it crashed")
    with pytest.raises(UpdateError, match="it crashed"):
        request.future.result(0)


def test_only_the_first_answer_counts():
    request = UpdateRequest(None)
    request.answer(Decision(OfferAction.TAKE), OFFER)
    request.answer(Decision(OfferAction.TAKE), OFFER, "refused")
    request.fail(UpdateError("late"))
    assert request.future.result(0)["taken"]


def test_queue_returns_requests_in_order_and_wakes():
    queue, first, second = RequestQueue(), UpdateRequest("1"), UpdateRequest("2")
    queue.put(first)
    queue.put(second)
    queue.wake()
    assert [queue.next(0) for _ in range(4)] == [first, second, None, None]


def test_fail_all_answers_every_queued_request():
    queue, requests = RequestQueue(), [UpdateRequest("1"), UpdateRequest(None)]
    for request in requests:
        queue.put(request)
    queue.wake()
    queue.fail_all(UpdateError("stopping"))
    for request in requests:
        with pytest.raises(UpdateError, match="stopping"):
            request.future.result(0)
    assert queue.next(0) is None
