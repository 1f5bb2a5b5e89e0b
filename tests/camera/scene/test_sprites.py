"""Sprites: pasting clips to the frame, shapes move and rotate as documented."""

import numpy as np
import pytest

from appliance.camera.scene.sprites import (
    Sprite,
    draw_sprite,
    iterate_bands,
    make_disc,
    make_petal,
    move,
    paste,
    rotate,
    round_color,
    shade,
)


def opaque(side_px: int = 4) -> Sprite:
    return Sprite(
        np.full((side_px, side_px, 3), 200, np.uint8), np.zeros((side_px, side_px, 3), np.uint8), (2, 2), side_px // 2
    )


@pytest.mark.parametrize(("x", "y", "covered"), [(5, 5, 16), (0, 0, 4), (9, 5, 12), (20, 5, 0), (-9, -9, 0)])
def test_paste_clips_to_the_frame(x, y, covered):
    frame = np.zeros((10, 10, 3), np.uint8)
    paste(frame, opaque(), x, y)
    assert np.count_nonzero(frame[:, :, 0]) == covered


def test_transparent_parts_keep_the_frame():
    frame = np.full((10, 10, 3), 77, np.uint8)
    paste(frame, Sprite(np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8), (2, 2), 2), 5, 5)
    assert (frame == 77).all()


def test_sprite_is_cropped_to_its_drawing():
    sprite = draw_sprite(
        lambda pen: pen.draw_dot(0, 0, 0.5, (255, 255, 255)), np.random.default_rng(0), 20, 30, (1, 1, 1)
    )
    height, width = sprite.color.shape[:2]
    assert 20 <= width <= 23 and 20 <= height <= 23
    assert sprite.transparency[sprite.center_px[1], sprite.center_px[0]].tolist() == [0, 0, 0]


def test_rotate_is_clockwise_on_the_screen():
    assert rotate(np.array([[0.0, -1.0]]), np.pi / 2)[0] == pytest.approx([1, 0])


def test_move_and_outlines():
    assert move(make_disc(1.0), 3, 4).mean(axis=0) == pytest.approx([3, 4])
    petal = make_petal(2.0, 0.5, start=1.0)
    assert petal[:, 1].min() == pytest.approx(-3) and petal[:, 1].max() == pytest.approx(-1)
    assert abs(petal[:, 0]).max() == pytest.approx(0.5, abs=0.01)


def test_colors_are_shaded_and_clipped():
    assert shade((100, 100, 100), -0.5) == (50, 50, 50) and shade((100, 100, 100), 1.0) == (255, 255, 255)
    assert round_color((-3, 99.6, 300)) == (0, 100, 255)


def test_bands_cover_every_row_once():
    rows = [row for band in iterate_bands(70) for row in range(*band.indices(70))]
    assert rows == list(range(70))
