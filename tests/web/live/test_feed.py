"""What viewers are sent, and what happens to those that do not keep up."""

import asyncio
import json
from contextlib import aclosing, closing

import numpy as np
import pytest

from appliance.errors import RequestError
from appliance.web.access.principal import Principal, Scope
from appliance.web.access.store import AccessStore
from appliance.web.device import LiveFrame
from appliance.web.live import feed as feed_module
from appliance.web.live.feed import MAX_STREAMS, LiveFeed
from appliance.web.live.pictures import FramePictures


class Stage:
    """A feed with a device whose status and frame a test changes."""

    def __init__(self, folder):
        self.access = AccessStore(folder)
        self.status = {"device": {"time": "1"}, "running": True}
        self.frame = LiveFrame(1, lambda: np.zeros((8, 8, 3), np.uint8))
        self.pictures = FramePictures(lambda: self.frame)
        self.feed = LiveFeed(self.access, lambda: self.status, lambda: {"labels": []}, self.pictures)

    def viewer(self, scope=Scope.ADMIN, name="a"):
        return self.access.find_token(self.access.new_token(name, scope))

    def run(self, scenario):
        async def main():
            feed_module.STATUS_EVERY_S = 0.02
            running = asyncio.create_task(self.feed.run())
            await asyncio.sleep(0)
            try:
                await asyncio.wait_for(scenario(), 20)
            finally:
                self.feed.close()
                await running

        with closing(self.pictures):
            asyncio.run(main())


def parse(chunk):
    blocks = [block.split("\n") for block in chunk.decode().strip().split("\n\n")]
    return [(kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for kind, data in blocks]


async def read_until(stream, kind):
    async for chunk in stream:
        for found, data in parse(chunk):
            if found == kind:
                return data
    return None


def test_status_comes_first_and_again_only_when_it_changes(tmp_path):
    stage = Stage(tmp_path)

    async def scenario():
        async with aclosing(stage.feed.events(stage.viewer())) as stream:
            assert [kind for kind, _ in parse(await anext(stream))] == ["status", "labels"]
            stage.status = {"device": {"time": "2"}, "running": True}
            await asyncio.sleep(0.2)
            stage.status = {"device": {"time": "3"}, "running": False}
            status = await read_until(stream, "status")
            while status["running"]:
                status = await read_until(stream, "status")
            assert status["viewers"] == 1

    stage.run(scenario)


def test_log_is_for_admins_only(tmp_path):
    stage = Stage(tmp_path)

    async def scenario():
        async with aclosing(stage.feed.events(stage.viewer(Scope.READ))) as stream:
            await anext(stream)
            stage.feed.notify("log", {"text": "secret"})
            stage.feed.notify("event", {"id": "1"})
            chunk = await anext(stream)
            while b"event: event" not in chunk:
                chunk = await anext(stream)
            assert b"secret" not in chunk

    stage.run(scenario)


def test_status_of_the_first_page_counts_it_as_a_viewer(tmp_path):
    stage = Stage(tmp_path)

    async def scenario():
        async with aclosing(stage.feed.events(stage.viewer())) as stream:
            assert (await read_until(stream, "status"))["viewers"] == 1

    stage.run(scenario)


def test_text_cannot_end_its_event(tmp_path):
    stage = Stage(tmp_path)

    async def scenario():
        async with aclosing(stage.feed.events(stage.viewer())) as stream:
            await anext(stream)
            stage.feed.notify("event", {"label": "a\n\nevent: log\ndata: {}\r\n \u2028"})
            data = await read_until(stream, "event")
            assert data["label"].startswith("a\n\nevent: log")

    stage.run(scenario)


def test_stream_ends_when_its_session_ends(tmp_path):
    stage = Stage(tmp_path)

    async def scenario():
        viewer = stage.viewer()
        async with aclosing(stage.feed.events(viewer)) as stream:
            await anext(stream)
            stage.access.revoke_token("a")
            assert await read_until(stream, "never") is None

    stage.run(scenario)


def test_viewer_that_does_not_read_is_disconnected(tmp_path):
    stage = Stage(tmp_path)

    async def scenario():
        async with aclosing(stage.feed.events(stage.viewer())) as stream:
            await anext(stream)
            for number in range(300):
                stage.feed.notify("event", {"id": number})
            await asyncio.sleep(0.05)
            rest = [chunk async for chunk in stream]
            assert len(rest) <= 2

    stage.run(scenario)


def test_pictures_follow_frames_and_end_when_the_camera_is_off(tmp_path):
    stage = Stage(tmp_path)

    async def scenario():
        async with aclosing(stage.feed.pictures(stage.viewer(), 160, b"x")) as stream:
            part = await anext(stream)
            assert part.startswith(b"--x\r\nContent-Type: image/jpeg") and b"\xff\xd8" in part
            stage.frame = None
            stage.feed.notify("frame", None)
            assert [chunk async for chunk in stream] == []

    stage.run(scenario)


def test_streams_are_limited(tmp_path):
    stage = Stage(tmp_path)
    stage.feed._streams = MAX_STREAMS
    with pytest.raises(RequestError, match="streams"):
        stage.feed.require_place()


def test_nothing_is_done_without_viewers(tmp_path):
    stage = Stage(tmp_path)
    stage.feed.notify("frame", None)
    assert stage.feed.viewers == 0
    stage.pictures.close()


def test_principal_without_a_token_is_a_session():
    assert Principal("k", Scope.READ).is_session and not Principal("k", Scope.READ, "n").is_session
