"""Which kernels compute a model, and what to do if the fast ones are absent."""

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.labeling.interpreter import LoadedModel
from appliance.labeling.kernels import Kernels, describe_slow_kernels, find_kernels
from appliance.labeling.labeler import Labeler
from support.paths import FLOWERS
from support.tiny_models import tiny_model


class SlowInterpreter:
    """An interpreter whose operations XNNPACK has not taken over."""

    def _get_ops_details(self):
        return [{"op_name": "CONV_2D"}, {"op_name": "SOFTMAX"}]


def test_bundled_model_runs_on_the_fast_kernels():
    labeler = Labeler(read_bundle(FLOWERS))
    assert labeler.kernels == "XNNPACK" and describe_slow_kernels(labeler.kernels, labeler.runtime) is None


def test_kernels_are_named():
    assert find_kernels(SlowInterpreter()) == Kernels.BUILT_IN == "built-in"
    assert LoadedModel(tiny_model(), "tiny", "auto", 1).kernels in set(Kernels)


@pytest.mark.parametrize(
    ("missing", "runtime", "remedy"),
    [
        ("sys/devices/system/cpu/possible", "LiteRT 2.3.0", "mount -t sysfs sysfs /sys"),
        ("proc/cpuinfo", "LiteRT 2.3.0", "ProcSubset=pid"),
        ("", "tflite-runtime 2.14.0", "use LiteRT"),
        ("", "LiteRT 2.3.0", "does not support"),
    ],
)
def test_absence_of_the_fast_kernels_has_a_remedy(tmp_path, missing, runtime, remedy):
    for name in ("proc/cpuinfo", "sys/devices/system/cpu/possible"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("" if name == missing else "0-3")
    warning = describe_slow_kernels("built-in", runtime, tmp_path)
    assert "XNNPACK" in warning and remedy in warning
    assert describe_slow_kernels("XNNPACK", runtime, tmp_path) is None
    assert describe_slow_kernels(None, runtime, tmp_path) is None
