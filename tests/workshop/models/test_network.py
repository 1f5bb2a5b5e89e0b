"""The network's shapes, and that folded convolutions are the trained ones; only with torch."""

import pytest

from appliance.workshop.models.paths import LABELS
from appliance.workshop.models.teachers import EMBEDDING, LAST, MIDDLE

torch = pytest.importorskip("torch", reason="torch is not installed (scripts/train-bundled makes an environment)")
from appliance.workshop.models.network import (  # noqa: E402 - it imports torch
    FEATURES,
    SIDE_PX,
    Convolution,
    Network,
    Residual,
    center,
)


@pytest.mark.parametrize("side_px", [96, 112, SIDE_PX])
def test_outputs_have_the_shapes_of_the_teachers(side_px):
    outputs = Network().eval()(torch.zeros(2, 3, side_px, side_px))
    last, middle = side_px // 16, side_px // 8
    shapes = [(2, len(LABELS) + 1), (2, EMBEDDING), (2, LAST, last, last), (2, MIDDLE, middle, middle)]
    assert [tuple(output.shape) for output in outputs] == shapes


@pytest.mark.parametrize(("stride", "size"), [(1, 3), (1, 1), (2, 3)])
def test_folded_convolution_computes_the_same(stride, size):
    torch.manual_seed(0)
    part = Convolution(4, 5, stride, size)
    for _ in range(3):
        part(3 * torch.randn(8, 4, 16, 16) + 1)  # the normalization learns other values than 0 and 1
    part.eval()
    signal = torch.randn(2, 4, 16, 16)
    weights, bias = part.fold()
    padded = torch.nn.functional.pad(signal, (0, 1, 0, 1)) if stride == 2 else signal
    folded = torch.nn.functional.conv2d(padded, weights, bias, stride, padding=size // 2 if stride == 1 else 0)
    torch.testing.assert_close(folded, part(signal), atol=1e-4, rtol=1e-4)
    assert folded.shape == (2, 5, 16 // stride, 16 // stride)


def test_stride_2_pads_only_the_end():
    """As TFLite's SAME does for an even side: the first output sees the pixels 0 to 2, and none before them."""
    part = Convolution(1, 1, 2).eval()
    with torch.no_grad():
        part.weights.weight.fill_(1.0)
        counts = part(torch.ones(1, 1, 4, 4))[0, 0]
    torch.testing.assert_close(counts, torch.tensor([[9.0, 6.0], [6.0, 4.0]]), atol=1e-3, rtol=1e-3)


def test_residual_adds_to_its_input():
    part = Residual(3).eval()
    with torch.no_grad():
        part.second.weights.weight.zero_()
        signal = torch.randn(1, 3, 8, 8)
        torch.testing.assert_close(part(signal), signal.clamp(min=0))


def test_bytes_are_centered():
    assert center(torch.tensor([0.0, 128.0, 255.0])).tolist() == [-1.0, 0.0, 127 / 128]


def test_same_seed_gives_the_same_start():
    states = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        states.append(Network().head.weight)
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])
    assert states[0].shape == (len(LABELS) + 1, FEATURES)
