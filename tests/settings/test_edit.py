"""Single values are changed in the text of a settings file, and nothing else."""

import tomllib

import pytest

from appliance.settings.edit import set_value
from support.paths import ROOT

SHIPPED = (ROOT / "config" / "appliance.toml").read_text()


def test_value_is_replaced_and_comments_stay():
    changed = set_value(SHIPPED, "web", "enabled", "true")
    assert tomllib.loads(changed)["web"]["enabled"] is True
    assert tomllib.loads(changed) | {"web": None} == tomllib.loads(SHIPPED) | {"web": None}
    assert len(changed.splitlines()) == len(SHIPPED.splitlines())
    assert set_value(changed, "web", "enabled", "true") == changed


def test_key_in_a_comment_is_put_in_force():
    changed = set_value(SHIPPED, "web", "public_url", '"https://a"')
    assert tomllib.loads(changed)["web"]["public_url"] == "https://a" and changed.count("public_url") == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[log]\nlevel = 'info'",
        "[web]\n",
        "[ web ] # the page\nlisten = [\n  '127.0.0.1:80', # [\n  '[::1]:80',\n]\nupload = true\n[log]\nenabled2 = 1\n",
        '[web]\nenabled = false # "x"\n',
    ],
)
def test_every_form_of_file_is_changed(text):
    changed = tomllib.loads(set_value(set_value(text, "web", "enabled", "true"), "web", "listen", '["[::]:8080"]'))
    assert changed["web"]["enabled"] is True and changed["web"]["listen"] == ["[::]:8080"]
    before = tomllib.loads(text)
    assert {k: v for k, v in changed.items() if k != "web"} == {k: v for k, v in before.items() if k != "web"}
    assert changed["web"].get("upload") == before.get("web", {}).get("upload")
