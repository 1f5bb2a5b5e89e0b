"""Run `appliance publish` on a site and keys in the test's folder."""

import pytest

from appliance.cli import main


@pytest.fixture
def publish(tmp_path, capsys):
    """Return a function that runs one action on the site: (exit status, standard output, standard error)."""

    def run(action, *words, site=tmp_path / "site", keys=tmp_path / "keys"):
        status = main(
            ["publish", action, *map(str, words), "--site", str(site), *(["--keys", str(keys)] if keys else [])]
        )
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run
