"""Two steps of training on made pictures, and the parts of a step; only with torch."""

import numpy as np
import pytest

from appliance.workshop.models import prepare
from appliance.workshop.models.augmentation import STORED_PX
from appliance.workshop.models.batches import BATCH, Squares
from appliance.workshop.models.paths import LABELS, OTHER_SETS
from appliance.workshop.models.runs import TrainingRun
from appliance.workshop.models.teachers import EMBEDDING, LAST, LAST_SIDE, MIDDLE, MIDDLE_SIDE

torch = pytest.importorskip("torch", reason="torch is not installed (scripts/train-bundled makes an environment)")
from appliance.workshop.models import train as module  # noqa: E402 - it imports torch
from appliance.workshop.models.network import Network  # noqa: E402
from appliance.workshop.models.train import measure_top_1, train  # noqa: E402

COUNT = 3 * len(prepare.GROUPS)


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A folder with three pictures of each group, and what the teachers made of all but the scenes."""
    rng = np.random.default_rng(0)
    group = np.arange(COUNT) % len(prepare.GROUPS)
    label = np.where(group == 0, np.arange(COUNT) % len(LABELS), prepare.BACKGROUND_INDEX)
    np.save(tmp_path / "pixels.npy", rng.integers(0, 256, (COUNT, STORED_PX, STORED_PX, 3), np.uint8))
    np.savez(tmp_path / "facts.npz", label=label, group=group, photo=np.arange(COUNT), whole=group == 0)
    targets = rng.dirichlet(np.ones(len(LABELS) + 1), COUNT).astype(np.float32)
    embedding = rng.standard_normal((COUNT, EMBEDDING)).astype(np.float32)
    np.savez(tmp_path / "targets.npz", targets=targets, embedding=embedding)
    seen = np.flatnonzero(group != prepare.GROUPS.index("scenes"))
    row = np.full(COUNT, -1)
    row[seen] = np.arange(len(seen))
    last = rng.standard_normal((len(seen), LAST_SIDE, LAST_SIDE, LAST)).astype(np.float16)
    middle = rng.standard_normal((len(seen), MIDDLE_SIDE, MIDDLE_SIDE, MIDDLE)).astype(np.float16)
    np.savez(tmp_path / "places.npz", row=row, last=last, middle=middle)
    for each in (prepare, module):
        monkeypatch.setattr(each, "WORK", tmp_path)
    return tmp_path


def test_training_writes_the_same_weights_for_the_same_seed(work, few_photographs):
    states = []
    for name, seed in (("first", 1), ("again", 1), ("other", 2)):
        train(TrainingRun(name, seed, 2 * BATCH, OTHER_SETS))
        states.append(torch.load(work / f"{name}.pt"))
    assert states[0].keys() == Network().state_dict().keys()
    assert all(value.isfinite().all() for value in states[0].values())
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    assert not torch.equal(states[0]["head.weight"], states[2]["head.weight"])


def test_top_1_is_a_share_of_the_photographs(few_photographs):
    network = Network().eval()
    # Always roses; the background is greater, and no label.
    logits = torch.tensor([0.0, 0.0, 1.0, 0.0, 0.0, 9.0])
    with torch.no_grad():
        network.head.weight.zero_()
        network.head.bias.copy_(logits)
    assert measure_top_1(network) == 0.2


def test_rate_rises_shortly_then_falls_to_0():
    rates = [module._compute_rate(step, 1000) for step in range(1000)]
    peak = int(np.argmax(rates))
    assert 30 <= peak <= 60
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert 0.9 * module.RATE < max(rates) <= module.RATE
    assert rates[-1] < 1e-4 * module.RATE


def test_only_matrices_and_kernels_decay():
    network = Network()
    decayed, others = module._make_optimizer(network).param_groups
    assert (decayed["weight_decay"], others["weight_decay"]) == (module.DECAY, 0.0)
    assert {weights.ndim for weights in decayed["params"]} == {2, 4}
    assert {weights.ndim for weights in others["params"]} == {1}
    assert len(decayed["params"]) + len(others["params"]) == len(list(network.parameters()))


def test_average_keeps_its_share():
    torch.manual_seed(0)
    average, network = Network(), Network()
    network.body[0].normal.num_batches_tracked.fill_(7)
    before = average.head.weight.detach().clone()
    module._update_average(average, network, 0.75)
    torch.testing.assert_close(average.head.weight.detach(), 0.75 * before + 0.25 * network.head.weight.detach())
    assert int(average.body[0].normal.num_batches_tracked) == 7


@pytest.mark.parametrize("mirrored", [False, True])
def test_layer_of_the_whole_picture_is_itself_or_mirrored(mirrored):
    values = np.random.default_rng(0).standard_normal((1, 7, 7, 3)).astype(np.float16)
    squares = Squares(np.zeros((1, 2), int), np.array([STORED_PX]), np.array([mirrored]))
    sampled = module._sample_layer(values, squares, np.array([0]), 7)
    expected = values[:, :, ::-1] if mirrored else values
    np.testing.assert_allclose(sampled.numpy(), expected.transpose(0, 3, 1, 2).astype(np.float32), atol=1e-4)
