"""Test what is cleared of the device's own retained topics, with a real broker."""

import threading

from appliance.messaging.leftovers import LeftoverCleaner, select_leftovers
from appliance.messaging.topics import Topics
from appliance.settings.schema import MqttSettings
from support.broker import wait_until

T = Topics("appliance", "pi-1")


def test_commands_answers_and_owned_topics_stay():
    stays = [T.threshold_set, T.restart, f"{T.responses}me", T.state, "appliance/pi-10/state", T.event]
    goes = [T.label("daisy"), T.picture("daisy"), f"{T.root}/view/gate/state"]
    assert select_leftovers(T, [*stays, *goes], {T.state}) == sorted(goes)


def test_retained_topics_are_read_once(broker):
    found, ready = [], threading.Event()

    def clear(topics):
        found.append(set(topics))
        ready.set()
        return True

    with broker.observer() as observer:
        observer.publish(T.label("daisy"), "ON", retain=True)
        observer.publish("appliance/pi-10/label/daisy", "ON", retain=True)
        cleaner = LeftoverCleaner(MqttSettings(host=broker.host, port=broker.port), None, "pi-1-leftovers", T, clear)
        cleaner.start()
        assert ready.wait(20)
        cleaner.stop()
    assert found == [{T.label("daisy")}]
    wait_until(lambda: not any(thread.name == "leftovers" for thread in threading.enumerate()), "the thread ends")
