"""Devices without a camera and a broker, for the tests of the daemon's parts."""

import pytest

from support.labeling_device import LABELS, LabelingDevice


@pytest.fixture
def make_device(tmp_path):
    devices = []

    def make(one=LABELS, two=LABELS):
        devices.append(LabelingDevice(tmp_path, one, two))
        return devices[-1]

    yield make
    for device in devices:
        device.close()
