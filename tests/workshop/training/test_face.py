"""The public face of appliance.workshop.training."""

import subprocess
import sys

import appliance.workshop.training


def test_every_public_name_resolves():
    names = ["TrainingRequest", "TrainingResult", "train_bundle"]
    assert sorted(appliance.workshop.training.__all__) == names
    assert all(getattr(appliance.workshop.training, name) for name in names)


def test_import_loads_no_heavy_library():
    code = (
        "import sys; import appliance.workshop.training; "
        "print(sorted({'numpy', 'sklearn', 'scipy', 'ai_edge_litert', 'cv2'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
