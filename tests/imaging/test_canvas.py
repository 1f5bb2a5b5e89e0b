"""Drawing of filled shapes."""

import numpy as np

from appliance.imaging.canvas import Canvas

RED = (255, 0, 0, 255)


def test_new_canvas_is_empty():
    canvas = Canvas.make_transparent((6, 4))
    assert canvas.size_px == (6, 4)
    assert canvas.pixels.shape == (4, 6, 4) and not canvas.pixels.any()
    assert canvas.drawn_area is None


def test_drawn_area_is_the_box_of_the_shape():
    canvas = Canvas.make_transparent((20, 20))
    canvas.fill_polygon(np.array([(2, 3), (10, 3), (10, 8), (2, 8)]), RED)
    assert canvas.drawn_area == (2, 3, 11, 9)
    assert canvas.pixels[5, 5].tolist() == list(RED)


def test_copy_of_pixels_is_drawn_on():
    pixels = np.zeros((10, 10, 3), np.uint8)
    canvas = Canvas.from_pixels(pixels)
    canvas.fill_ellipse((0, 0, 9, 9), (0, 0, 255, 128))
    assert 120 <= canvas.pixels[5, 5, 2] <= 135, "half opaque"
    assert not pixels.any()


def test_reduced_area_is_multiplied_by_its_opacity():
    canvas = Canvas.make_transparent((4, 4))
    canvas.fill_polygon(np.array([(0, 0), (1, 0), (1, 3), (0, 3)]), (200, 100, 0, 255))
    block = canvas.get_premultiplied((0, 0, 4, 4), 4)
    assert block.shape == (1, 1, 4)
    assert np.allclose(block[0, 0], [100, 50, 0, 128], atol=1)


def test_blurred_and_resized_canvas_can_be_drawn_on():
    canvas = Canvas.from_pixels(np.zeros((8, 8, 3), np.uint8))
    canvas.blur(1)
    canvas.resize((16, 12))
    canvas.draw_line(np.array([(0, 6), (15, 6)]), RED, 3, curved=True)
    assert canvas.size_px == (16, 12)
    assert canvas.pixels[6, 8].tolist() == [255, 0, 0]
