"""Preprocessing: the fast order of the steps gives the same result as turning the whole picture upright first."""

import itertools

import cv2
import numpy as np
import pytest

from appliance.bundle.input_spec import ChannelOrder, ResizeMode
from appliance.imaging.view import View
from appliance.labeling.preprocess import Preprocessor, crop, map_region, turn_upright
from support.input_forms import make_form

VIEWS = [
    View(rotation, hflip, vflip, region)
    for rotation, hflip, vflip in itertools.product((0, 90, 180, 270), (False, True), (False, True))
    for region in (None, (0.1, 0.25, 0.5, 0.6))
]


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (height, width, 3), np.uint8)


def turned_by_numpy(pixels: np.ndarray, view: View) -> np.ndarray:
    pixels = np.rot90(pixels, -view.rotation // 90)
    pixels = pixels[:, ::-1] if view.hflip else pixels
    return pixels[::-1] if view.vflip else pixels


@pytest.mark.parametrize("view", VIEWS)
def test_upright_rotates_clockwise_then_flips(view):
    pixels = noise(11, 17)
    assert np.array_equal(turn_upright(pixels, view), turned_by_numpy(pixels, view))


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("frame_px", [(120, 160), (37, 23)])
def test_result_is_that_of_turning_first(view, frame_px):
    pixels = noise(*frame_px)
    whole = np.ascontiguousarray(turned_by_numpy(pixels, view))
    height, width = whole.shape[:2]
    x, y, part_width, part_height = view.region or (0, 0, 1, 1)
    part = whole[
        round(y * height) : round((y + part_height) * height), round(x * width) : round((x + part_width) * width)
    ]
    expected = cv2.resize(part, (32, 24), interpolation=cv2.INTER_LINEAR)
    prepared = Preprocessor(view, make_form((32, 24))).prepare(pixels)
    assert prepared.shape == (1, 24, 32, 3)
    assert np.abs(prepared[0].astype(int) - expected.astype(int)).max() <= 1


@pytest.mark.parametrize(
    "region", [None, (1 / 3, 1 / 3, 1 / 3, 1 / 3), (0.1, 0.25, 0.5, 0.6), (0.995, 0.0, 0.005, 1.0)]
)
@pytest.mark.parametrize("frame_px", [(720, 1280), (480, 640), (1080, 1920), (37, 23), (1, 1), (101, 7)])
def test_crop_is_what_the_model_receives(frame_px, region):
    pixels = noise(*frame_px)
    for rotation, hflip, vflip in itertools.product((0, 90, 180, 270), (False, True), (False, True)):
        view = View(rotation, hflip, vflip, region)
        cropped = crop(pixels, view)
        height, width = cropped.shape[:2]
        # A resize to the same size changes no pixel, so the input holds the cropped pixels themselves.
        assert np.array_equal(Preprocessor(view, make_form((width, height))).prepare(pixels)[0], cropped)


def test_crop_rounds_both_edges_of_a_region():
    assert crop(noise(720, 1280), View(region=(1 / 3, 0.0, 1 / 3, 1.0))).shape == (720, 426, 3)


def test_resize_is_bilinear_without_antialiasing():
    # Four times smaller: each output is between the second and third of four pixels, whatever the others are.
    row = np.array([0, 100, 200, 255] * 8, np.uint8)
    pixels = np.repeat(np.tile(row, (32, 1))[:, :, np.newaxis], 3, axis=2)
    assert (Preprocessor(View(), make_form((8, 8))).prepare(pixels) == 150).all()


def test_frames_may_change_their_size():
    preparer = Preprocessor(View(region=(0.5, 0.5, 0.5, 0.5)), make_form((4, 4)))
    for height, width in ((40, 40), (20, 60), (40, 40)):
        pixels = np.zeros((height, width, 3), np.uint8)
        pixels[height // 2 :, width // 2 :] = 9
        assert (preparer.prepare(pixels) == 9).all()


def test_buffers_are_reused():
    preparer = Preprocessor(View(90, True), make_form((16, 16), np.float32))
    first = preparer.prepare(noise(50, 50))
    assert np.shares_memory(first, preparer.prepare(noise(60, 50)))


def test_frame_is_not_written_to():
    pixels = noise(24, 32)
    before = pixels.copy()
    for view in VIEWS:
        Preprocessor(view, make_form((32, 24), np.int8)).prepare(pixels)
    assert np.array_equal(pixels, before)


def test_normalization_of_each_dtype():
    pixels = np.full((4, 4, 3), (0, 127, 255), np.uint8)

    def first(dtype, *normalization):
        return Preprocessor(View(), make_form((4, 4), dtype, *normalization)).prepare(pixels)[0, 0, 0].tolist()

    assert first(np.uint8) == [0, 127, 255]
    assert first(np.int8) == [-128, -1, 127]
    assert first(np.float32) == pytest.approx([-1, -0.5 / 127.5, 1])
    assert first(np.float32, (0.0,), (255.0,)) == pytest.approx([0, 127 / 255, 1])
    assert first(np.float32, (1.0, 2.0, 3.0), (2.0, 4.0, 8.0)) == pytest.approx([-0.5, 31.25, 31.5])


@pytest.mark.parametrize(
    "view", [View(rotation, region=(0.999, 0.999, 0.001, 0.001)) for rotation in (0, 90, 180, 270)]
)
def test_smallest_region_is_one_pixel_inside_the_frame(view):
    rows, columns = map_region(view, (10, 20))
    assert rows.stop - rows.start == columns.stop - columns.start == 1
    assert 0 <= rows.start < rows.stop <= 10 and 0 <= columns.start < columns.stop <= 20


def draw_ramp(height: int, width: int) -> np.ndarray:
    """Return a picture whose red grows to the right, green downward, and whose blue is 200."""
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([columns * 255 // width, rows * 255 // height, np.full_like(rows, 200)], axis=2).astype(np.uint8)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.float32])
def test_one_channel_gets_luma(dtype):
    pixels = np.full((20, 20, 3), (200, 100, 50), np.uint8)
    luma = 0.299 * 200 + 0.587 * 100 + 0.114 * 50
    expected = {np.uint8: luma, np.int8: luma - 128, np.float32: luma / 127.5 - 1}[dtype]
    for shape in ((1, 8, 6, 1), (1, 1, 8, 6), (1, 8, 6)):
        prepared = Preprocessor(View(), make_form((6, 8), dtype, shape=shape)).prepare(pixels)
        assert prepared.shape == shape and prepared.dtype == dtype
        assert prepared == pytest.approx(expected, abs=1 if dtype is not np.float32 else 0.01)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.float32])
def test_channels_first_input_is_transposed(dtype):
    pixels = noise(30, 40)
    usual = Preprocessor(View(90), make_form((6, 8), dtype)).prepare(pixels)
    first = Preprocessor(View(90), make_form((6, 8), dtype, shape=(1, 3, 8, 6))).prepare(pixels)
    assert np.array_equal(first, usual.transpose(0, 3, 1, 2))


def test_bgr_input_gets_blue_first():
    pixels = np.full((20, 20, 3), (200, 100, 50), np.uint8)
    form = make_form((8, 8), np.float32, (1.0, 2.0, 3.0), (1.0, 1.0, 1.0), order=ChannelOrder.BGR)
    assert Preprocessor(View(), form).prepare(pixels)[0, 0, 0].tolist() == [49, 98, 197]


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_crop_keeps_the_center_square(rotation):
    pixels = draw_ramp(60, 100)
    view = View(rotation)
    upright = turn_upright(pixels, view)
    height, width = upright.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    expected = cv2.resize(upright[top : top + side, left : left + side], (16, 16), interpolation=cv2.INTER_LINEAR)
    prepared = Preprocessor(view, make_form((16, 16), resize=ResizeMode.CROP)).prepare(pixels)[0]
    assert np.abs(prepared.astype(int) - expected.astype(int)).max() <= 1


def test_crop_of_a_region_stays_inside_it():
    pixels = np.zeros((100, 200, 3), np.uint8)
    pixels[:, 100:] = 255
    view = View(region=(0.5, 0.0, 0.5, 1.0))
    assert (Preprocessor(view, make_form((8, 16), resize=ResizeMode.CROP)).prepare(pixels) == 255).all()


@pytest.mark.parametrize(("frame_px", "bars"), [((100, 200), "rows"), ((200, 100), "columns")])
def test_letterbox_adds_black_bars(frame_px, bars):
    pixels = np.full((*frame_px, 3), 200, np.uint8)
    preparer = Preprocessor(View(), make_form((16, 16), resize=ResizeMode.LETTERBOX))
    preparer.prepare(np.full((16, 16, 3), 9, np.uint8))  # fills the whole input before
    prepared = preparer.prepare(pixels)[0, :, :, 0]
    prepared = prepared if bars == "rows" else prepared.T
    assert (prepared[:4] == 0).all() and (prepared[12:] == 0).all() and (prepared[4:12] == 200).all()


@pytest.mark.parametrize("resize", list(ResizeMode))
@pytest.mark.parametrize("frame_px", [(1, 1), (1, 300), (300, 1)])
def test_extreme_shapes_have_a_result(resize, frame_px):
    pixels = np.full((*frame_px, 3), 77, np.uint8)
    prepared = Preprocessor(View(), make_form((8, 8), resize=resize)).prepare(pixels)
    assert prepared.shape == (1, 8, 8, 3) and 77 in prepared


@pytest.mark.parametrize("rotation", [0, 90])
def test_square_region_is_the_center(rotation):
    pixels = draw_ramp(60, 100)
    view = View(rotation).with_region("square")
    cropped = crop(pixels, view)
    assert cropped.shape == (60, 60, 3)
    assert np.array_equal(cropped, turn_upright(pixels[:, 20:80], View(rotation)))
