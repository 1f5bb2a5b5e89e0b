"""The public interface of appliance.labeling."""

import subprocess
import sys

import appliance.labeling


def test_every_public_name_resolves():
    assert sorted(appliance.labeling.__all__) == ["Event", "Label", "LabelFilter", "Labeler", "Tracker"]
    assert all(getattr(appliance.labeling, name) for name in appliance.labeling.__all__)


def test_import_and_label_load_neither_opencv_nor_a_runtime():
    code = (
        "import sys; import appliance.labeling; from appliance.labeling import Label; "
        "print(sorted({'numpy', 'cv2', 'ai_edge_litert', 'tflite_runtime'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_filter_and_tracker_load_neither_opencv_nor_a_runtime():
    code = (
        "import sys; from appliance.labeling import Event, LabelFilter, Tracker; "
        "print(sorted({'cv2', 'ai_edge_litert', 'tflite_runtime'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
