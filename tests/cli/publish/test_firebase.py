"""Test `appliance publish push --firebase-ml`: its arguments and requirements."""

from importlib.util import find_spec

import pytest

from appliance.cli import main
from support.bundles import bundle_folder


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--firebase-ml", "--name", "two words"], "'two words' cannot be the name of a model"),
        (["--firebase-ml", "--tag", "a/b"], "'a/b' cannot be the tag"),
        (["--firebase-ml", "--site", "site"], "--site cannot be combined with --firebase-ml"),
        (["--firebase-ml", "--channel", "beta"], "--channel cannot be combined with --firebase-ml"),
        (["--tag", "a"], "require --firebase-ml"),
        ([], "push requires --site SITE and --keys DIR, or --firebase-ml"),
    ],
)
def test_conflicting_arguments_are_reported(tmp_path, capsys, words, message):
    assert main(["publish", "push", str(bundle_folder(tmp_path / "mine")), *words]) in (1, 2)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--keys", "--root-keys", "--passphrase-file", "--variant", "--group", "--version"])
def test_option_of_a_site_is_wrong_usage(option, capsys):
    assert main(["publish", "push", "mine", "--firebase-ml", option, "x"]) == 2
    assert f"{option} " in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--tag", "--name", "--credentials", "--bucket"])
def test_option_of_firebase_without_it_is_wrong_usage(option, capsys):
    assert main(["publish", "push", "mine", "--site", "s", "--keys", "k", option, "x"]) == 2
    err = capsys.readouterr().err
    assert option in err
    assert "--firebase-ml" in err


@pytest.mark.skipif(find_spec("firebase_admin") is not None, reason="the library that must be missing is installed")
def test_missing_library_names_what_to_install(tmp_path, capsys):
    assert main(["publish", "push", str(bundle_folder(tmp_path / "mine")), "--firebase-ml"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "firebase" in err
    assert "pip install" in err
