"""The bundle that the stage build writes, and the sentence for missing weights."""

import json

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.errors import BaseModelError
from appliance.workshop.models.general.build import NAME, VERSION, read_network, write_files
from appliance.workshop.models.general.names import read_plan
from appliance.workshop.models.general.tflite_lite0 import write_labeler


def test_written_bundle_can_be_read(network, tmp_path):
    plan = read_plan()
    write_files(write_labeler(network, plan, None, "a test"), plan, tmp_path)
    bundle = read_bundle(tmp_path)
    assert (bundle.identity.name, bundle.version) == (NAME, VERSION)
    assert bundle.labels == plan.labels and bundle.background_label == plan.labels[-1]
    assert set(json.loads((tmp_path / "manifest.json").read_text())["sha256"]) == {"model.tflite", "dict.txt"}


def test_missing_weights_name_the_script(tmp_path):
    with pytest.raises(BaseModelError, match="scripts/make-general"):
        read_network(tmp_path / "absent.pth")
