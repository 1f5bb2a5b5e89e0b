"""Only sound frames are given out: after damage, nothing until the next key frame."""

import io

import av
import av.logging
import pytest

from appliance.camera.stream.decoding import VideoDecoder
from appliance.camera.stream.packets import VideoPacket, timestamp_s
from appliance.camera.stream.playback import RecordedCamera
from appliance.errors import CameraEndedError
from support.lossy_video import LEVELS, is_sound, paired, write_lossy_video
from support.paths import SHARED
from support.rtsp import rtsp_camera
from support.streams import eventually, open_source, video_bytes, write_video

TWO_SLICES = SHARED / "faults/camera/h264-two-slices-sps-between.mp4"


def play(path, monkeypatch):
    """Return all frames of a recording, without waiting for their time, and the camera."""
    monkeypatch.setattr("appliance.camera.stream.playback.LONGEST_WAIT_S", 0.0)
    camera = open_source(path, fps=240, loop=False)
    assert isinstance(camera, RecordedCamera)
    frames = []
    with pytest.raises(CameraEndedError):
        while True:
            frames.append(camera.read())
    camera.close()
    return frames, camera


@pytest.mark.parametrize("codec", ["libx264", "libx265", "mpeg4"])
def test_lost_transport_packets_leave_only_sound_frames(tmp_path, monkeypatch, codec):
    write_lossy_video(tmp_path / "a.ts", codec)
    frames, camera = play(tmp_path / "a.ts", monkeypatch)
    wrong = sum(not is_sound(frame) for frame in frames)
    assert len(frames) >= 50 and wrong <= 0.02 * len(frames)
    assert camera.damaged >= 20


@pytest.mark.parametrize("fault", ["overwritten", "slice missing"])
def test_damage_within_a_frame_leaves_only_sound_frames(tmp_path, monkeypatch, fault):
    options = {"g": "20", "bf": "0", "sc_threshold": "0", "x264-params": "slices=4"}
    write_video(tmp_path / "a.mp4", [paired(number) for number in range(60)], fps=60, options=options)
    content = bytearray((tmp_path / "a.mp4").read_bytes())
    with av.open(str(tmp_path / "a.mp4")) as whole:
        packets = [(packet.pos, packet.size) for packet in whole.demux() if packet.size]
    position, size = packets[25]
    if fault == "overwritten":
        content[position + size // 4 : position + size] = b"\x5a" * (size - size // 4)
    else:
        skipped = 4 + int.from_bytes(content[position : position + 4])
        content[position + skipped + 4] = 12  # the second unit becomes filler data (H.264, table 7-1)
    (tmp_path / "b.mp4").write_bytes(content)
    frames, camera = play(tmp_path / "b.mp4", monkeypatch)
    assert len(frames) == 45 and all(map(is_sound, frames)) and camera.damaged == 15


def test_sound_video_is_given_completely(tmp_path, monkeypatch):
    write_video(tmp_path / "a.mp4", [paired(number) for number in range(60)], fps=60, options={"bf": "2"})
    frames, camera = play(tmp_path / "a.mp4", monkeypatch)
    assert len(frames) == 60 and all(map(is_sound, frames)) and camera.damaged == 0


class LoggingContext:
    """A decoder that writes a message of libav to its log while it decodes one of the packets."""

    def __init__(self, context, message, number):
        self.__dict__.update(context=context, message=message, left=number)

    def __getattr__(self, name):
        return getattr(self.context, name)

    def __setattr__(self, name, value):
        setattr(self.context, name, value)

    def decode(self, data):
        self.__dict__["left"] -= 1
        if self.left == 0:
            av.logging.log(av.logging.WARNING, "hevc", self.message)
        return self.context.decode(data)


@pytest.mark.parametrize(("kind", "given"), [(1, 25), (21, 25), (39, 30)])
def test_omitted_slice_of_h265_withholds_frames_until_the_next_key_frame(kind, given):
    options = {"g": "10", "bf": "0", "sc_threshold": "0"}
    video = video_bytes([paired(number) for number in range(30)], "libx264", "mp4", 10, options)
    with av.open(io.BytesIO(video)) as whole:
        stream = whole.streams.video[0]
        message = f"Skipping invalid undecodable NALU: {kind}"
        av.logging.set_level(av.logging.WARNING)  # as for every opened source
        decoder = VideoDecoder(LoggingContext(stream.codec_context, message, 16))
        packets = [
            VideoPacket(packet if packet.size else None, timestamp_s(packet), packet.is_keyframe, False)
            for packet in whole.demux(stream)
        ]
        frames = [frame for packet in packets for frame in decoder.decode(packet)]
    assert len(frames) == given and decoder.damaged == 30 - given


@pytest.mark.parametrize("reordered", ["0", "2"])
def test_key_frames_alone_are_sound_and_at_their_time(tmp_path, monkeypatch, reordered):
    options = {"g": "10", "keyint_min": "10", "sc_threshold": "0", "bf": reordered}
    write_video(tmp_path / "a.mp4", [paired(number) for number in range(200)], fps=10, options=options)
    monkeypatch.setattr("appliance.camera.stream.playback.LONGEST_WAIT_S", 0.0)
    camera = open_source(tmp_path / "a.mp4", fps=0.5, loop=False)
    frames = []
    with pytest.raises(CameraEndedError):
        while True:
            frames.append(camera.read())
    assert len(frames) == 10 and all(map(is_sound, frames))  # 20 s, one per 2 s
    assert [frames[3][0, 0, 0], frames[3][0, -1, 0]] == pytest.approx(LEVELS[60].tolist(), abs=5)


@pytest.mark.skipif(not TWO_SLICES.is_file(), reason="no shared faults (APPLIANCE_TEST_DATA)")
def test_key_frame_with_parameter_sets_between_its_slices_is_whole(monkeypatch):
    frames, camera = play(TWO_SLICES, monkeypatch)
    assert len(frames) == 12 and camera.damaged == 0
    for frame in frames:
        red, green, blue = frame[: frame.shape[0] // 2].mean(axis=(0, 1))
        assert green < red + 30 and blue > 100  # the missing half was plain green


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libvpx"])
@pytest.mark.parametrize("tcp", [True, False], ids=["tcp", "udp"])
def test_lost_rtp_packets_leave_only_sound_frames(codec, tcp):
    lost = {number for number in range(30, 4000) if number % 47 == 0}
    faults = {"loses": lost.__contains__, "picture": paired, "fps": 50, "key_every": 25}
    with rtsp_camera(tcp=tcp, codec=codec, **faults) as server:
        camera = open_source(server.url, fps=100)
        frames = [frame for frame in (camera.read() for _ in range(60)) if frame is not None]
        assert eventually(lambda: camera.damaged > 0)
        camera.close()
    assert len(frames) >= 50 and all(map(is_sound, frames))
