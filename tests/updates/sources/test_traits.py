"""What a device has, for the requirements of a channel."""

import pytest

from appliance.settings.schema import CameraSettings
from appliance.system.board import Board
from appliance.updates.sources.traits import compute_frame_size, read_traits


def test_board_is_named_once_with_its_manufacturer():
    pi = read_traits(board=Board("Raspberry Pi", "Raspberry Pi 5 Model B Rev 1.0"))
    assert pi.board == "Raspberry Pi 5 Model B Rev 1.0" and pi.memory_mb > 100
    assert read_traits(board=Board("Acme", "X1")).board == "Acme X1"
    assert read_traits(board=Board()).board is None


@pytest.mark.parametrize(
    ("camera", "size"),
    [
        ({}, None),
        ({"size": (640, 480)}, (480, 640)),
        ({"size": (640, 480), "rotation": 90}, (640, 480)),
        ({"size": (640, 480), "region": "square"}, (480, 480)),
        ({"size": (640, 480), "region": (0, 0, 0.5, 0.25)}, (120, 320)),
    ],
)
def test_labeled_part_of_a_frame(camera, size):
    assert compute_frame_size(CameraSettings(**camera)) == size
