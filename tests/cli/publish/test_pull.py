"""Two machines publish one site, as their operators type it."""

import json
import shutil

import pytest

from support.bundles import bundle_folder
from support.model_server import ModelServer


@pytest.fixture
def bundle(tmp_path):
    return bundle_folder(tmp_path / "mine", version="1.0")


def test_second_machine_is_told_to_pull_and_then_publishes(tmp_path, publish, bundle):
    other = {"site": tmp_path / "other", "keys": tmp_path / "other-keys"}
    with ModelServer(tmp_path / "web") as server:
        publish("init")
        assert publish("push", bundle, "--served", server.url())[0] == 0
        assert publish("sync", tmp_path / "web")[:2] == (0, "9 files uploaded.\n")
        shutil.copytree(tmp_path / "site", other["site"])
        shutil.copytree(tmp_path / "keys", other["keys"])
        publish("push", bundle, "--version", "1.1")
        publish("sync", tmp_path / "web")
        status, out, err = publish("push", bundle, "--version", "1.2", **other)
        assert (status, out) == (1, "") and "run `publish pull`" in err
        status, out, _ = publish("check", **other)
        assert status == 1 and "NOT OK" in out and "publish pull" in out
        status, out, err = publish("pull", **other)
        assert status == 0 and "2 files fetched" in out and err == ""
        assert publish("pull", **other)[1].endswith("serves.\n")
        assert publish("push", bundle, "--version", "1.2", **other)[0] == 0
        status, out, _ = publish("sync", tmp_path / "web", "--json", **other)
        assert json.loads(out) == {"uploaded": 5, "deleted": 0, "served": True}
        status, out, _ = publish("check", site=server.url())
        assert status == 0 and "1.2 for everyone" in out
        shutil.copytree(tmp_path / "site", tmp_path / "web", dirs_exist_ok=True)  # an upload by hand of an old copy
        status, out, _ = publish("check", site=server.url())
        assert status == 1 and "went back: the targets metadata is version 3, and version 4 was there before" in out
