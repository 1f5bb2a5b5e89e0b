"""Test the dispatcher of labeling results."""

from appliance.daemon.results import FrameResult, ResultDispatcher, ResultListener


class Recorder(ResultListener):
    """Records every call under the listener's name."""

    def __init__(self, name, calls):
        self.name, self.calls = name, calls

    def on_frame(self, result):
        self.calls.append((self.name, result))

    def on_frame_failed(self, error):
        self.calls.append((self.name, error))

    def on_events_ended(self, events):
        self.calls.append((self.name, events))

    def on_engine_changed(self, engine):
        self.calls.append((self.name, engine))


def test_every_listener_receives_everything_in_order():
    dispatcher, calls = ResultDispatcher(), []
    dispatcher.register(Recorder("first", calls))
    dispatcher.register(Recorder("second", calls))
    result = FrameResult(None, None, None, (), ())
    dispatcher.on_frame(result)
    dispatcher.on_frame_failed("broken")
    dispatcher.on_events_ended(["event"])
    dispatcher.on_engine_changed("engine")
    expected = [result, "broken", ["event"], "engine"]
    assert calls == [(name, value) for value in expected for name in ("first", "second")]


def test_listener_may_ignore_what_it_does_not_need():
    dispatcher = ResultDispatcher()
    dispatcher.register(ResultListener())
    dispatcher.on_frame(FrameResult(None, None, None, (), ()))
    dispatcher.on_frame_failed("broken")
    dispatcher.on_events_ended([])
    dispatcher.on_engine_changed(None)


def test_listener_can_be_registered_later():
    dispatcher, calls = ResultDispatcher(), []
    dispatcher.on_frame_failed("before")
    dispatcher.register(Recorder("late", calls))
    dispatcher.on_frame_failed("after")
    assert calls == [("late", "after")]
