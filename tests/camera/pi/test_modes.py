"""Picture size and sensor mode, from the modes of real cameras (the Picamera2 manual, chapter 4)."""

import pytest

from appliance.camera.pi.modes import choose_full_view_mode, choose_stream_size

IMX219 = [
    {"size": (640, 480), "crop_limits": (1000, 752, 1280, 960), "fps": 103.33, "bit_depth": 10},
    {"size": (1640, 1232), "crop_limits": (0, 0, 3280, 2464), "fps": 41.85, "bit_depth": 10},
    {"size": (1920, 1080), "crop_limits": (680, 692, 1920, 1080), "fps": 47.57, "bit_depth": 10},
    {"size": (3280, 2464), "crop_limits": (0, 0, 3280, 2464), "fps": 21.19, "bit_depth": 10},
    {"size": (1640, 1232), "crop_limits": (0, 0, 3280, 2464), "fps": 41.85, "bit_depth": 8},
]
IMX708 = [
    {"size": (1536, 864), "crop_limits": (768, 432, 3072, 1728), "fps": 120.13, "bit_depth": 10},
    {"size": (2304, 1296), "crop_limits": (0, 0, 4608, 2592), "fps": 56.03, "bit_depth": 10},
    {"size": (4608, 2592), "crop_limits": (0, 0, 4608, 2592), "fps": 14.35, "bit_depth": 10},
]
IMX477 = [
    {"size": (1332, 990), "crop_limits": (696, 528, 2664, 1980), "fps": 120.05, "bit_depth": 10},
    {"size": (2028, 1080), "crop_limits": (0, 440, 4056, 2160), "fps": 50.03, "bit_depth": 12},
    {"size": (2028, 1520), "crop_limits": (0, 0, 4056, 3040), "fps": 40.01, "bit_depth": 12},
    {"size": (4056, 3040), "crop_limits": (0, 0, 4056, 3040), "fps": 10.0, "bit_depth": 12},
]


@pytest.mark.parametrize(
    ("modes", "size", "fps", "expected"),
    [
        (IMX219, (320, 240), 5, (1640, 1232)),
        (IMX219, (320, 240), 90, (1640, 1232)),  # the whole view is more important than the rate
        (IMX219, (2560, 1920), 5, (3280, 2464)),
        (IMX708, (448, 252), 5, (2304, 1296)),
        (IMX477, (320, 240), 30, (2028, 1520)),
        (IMX477, (8000, 6000), 30, (2028, 1520)),
        ([{"format": "YUV420"}], (320, 240), 5, None),
    ],
)
def test_sensor_mode_covers_the_whole_view(modes, size, fps, expected):
    mode = choose_full_view_mode(modes, size, fps)
    assert (mode and mode["size"]) == expected


@pytest.mark.parametrize(
    ("wanted", "sensor", "expected"),
    [
        ((224, 224), (3280, 2464), (320, 240)),
        ((224, 224), (4608, 2592), (448, 252)),
        ((640, 480), (3280, 2464), (640, 480)),
        ((32, 32), (3280, 2464), (256, 192)),
        ((9000, 9000), (3280, 2464), (3280, 2464)),
    ],
)
def test_stream_size_has_sensor_ratio_and_wanted_sides(wanted, sensor, expected):
    width, height = choose_stream_size(wanted, sensor)
    assert (width, height) == expected
    assert width >= min(wanted[0], sensor[0]) and height >= min(wanted[1], sensor[1])
    assert width % 2 == height % 2 == 0
    assert width / height == pytest.approx(sensor[0] / sensor[1], rel=0.02)
