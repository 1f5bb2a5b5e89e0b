"""The public interface of appliance.bundle."""

import subprocess
import sys

import appliance.bundle


def test_every_public_name_resolves():
    assert sorted(appliance.bundle.__all__) == ["Bundle", "ModelIdentity", "read_bundle", "write_bundle"]
    assert all(getattr(appliance.bundle, name) for name in appliance.bundle.__all__)


def test_import_and_identity_load_no_numpy():
    code = (
        "import sys; import appliance.bundle; from appliance.bundle import ModelIdentity; "
        "print(sorted({'numpy', 'cv2', 'packaging'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
