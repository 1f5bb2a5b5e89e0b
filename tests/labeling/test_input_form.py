"""The form of an input: each layout that models have, and the stored value of each pixel level."""

import numpy as np
import pytest

from appliance.bundle.input_spec import ChannelOrder
from appliance.errors import BundleError
from support.input_forms import make_form


@pytest.mark.parametrize(
    ("shape", "size_px", "channels", "is_channels_first"),
    [
        ((1, 20, 30, 3), (30, 20), 3, False),
        ((1, 20, 30, 1), (30, 20), 1, False),
        ((1, 3, 20, 30), (30, 20), 3, True),
        ((1, 1, 20, 30), (30, 20), 1, True),
        ((1, 20, 30), (30, 20), 1, False),
        ((1, 3, 3, 3), (3, 3), 3, False),
    ],
)
def test_layout_is_read_from_the_shape(shape, size_px, channels, is_channels_first):
    form = make_form(size_px, shape=shape)
    assert (form.size_px, form.channels, form.is_channels_first) == (size_px, channels, is_channels_first)


@pytest.mark.parametrize("shape", [(1, 20, 30, 4), (2, 20, 30, 3), (1, 9216), (20, 30, 3), (1, 2, 20, 30)])
def test_other_shapes_are_rejected(shape):
    with pytest.raises(BundleError, match="not an image classifier: its input is"):
        make_form((30, 20), shape=shape)


@pytest.mark.parametrize(("dtype", "zero_point", "first", "last"), [(np.uint8, 0, 0, 255), (np.int8, -128, -128, 127)])
def test_quantized_levels_are_stored_unchanged(dtype, zero_point, first, last):
    form = make_form((8, 8), dtype, scale=1 / 255, zero_point=zero_point)
    assert form.table is None if dtype is np.uint8 else (form.table[0], form.table[-1]) == (first, last)


def test_stated_range_of_a_quantized_input_uses_its_scale():
    # The scale covers -2..2, so -1..1 fills only half of the stored values.
    form = make_form((8, 8), np.uint8, (127.5,), (127.5,), scale=4 / 255, zero_point=128)
    assert (form.table[0], form.table[-1]) == (64, 192)


def test_stated_range_that_the_scale_contains_changes_nothing():
    form = make_form((8, 8), np.uint8, (0.0,), (255.0,), scale=1 / 255)
    assert form.table is None


def test_float_values_follow_mean_and_std():
    form = make_form((8, 8), np.float32, (10.0, 20.0, 30.0), (2.0, 4.0, 5.0))
    assert form.table.shape == (256, 3) and form.table[100].tolist() == pytest.approx([45, 20, 14])


def test_three_means_do_not_fit_one_channel():
    with pytest.raises(BundleError, match="one channel, but a mean or std for three"):
        make_form((8, 8), np.float32, (1.0, 2.0, 3.0), (1.0,), shape=(1, 8, 8, 1))


def test_order_of_one_channel_is_irrelevant():
    assert not make_form((8, 8), shape=(1, 8, 8, 1), order=ChannelOrder.BGR).is_bgr
