"""Test the source that Remote Config chooses: settings, threshold, experiment and variant."""

import pytest

from appliance.errors import SourceError, SourceSettingsError
from appliance.settings.schema import FirebaseSettings, UpdateSettings
from appliance.transport.http import Http
from appliance.updates.firebase.remote_config import Config
from appliance.updates.sources.remote_config import ConfiguredSource
from appliance.updates.sources.source import Offer

SETTINGS = UpdateSettings(source="repository", channel="stable", firebase=FirebaseSettings(project_id="demo"))


class FixedConfig:
    """Remote Config that returns the given configuration."""

    def __init__(self, **entries):
        self.config = Config(entries)
        self.error = None

    def get_config(self, requested=False):
        return self.config


class FixedSource:
    """A source whose offer names its channel and model."""

    def __init__(self, settings):
        self.origin = f"channel {settings.channel}, model {settings.firebase.model_name}"

    def check(self, requested=False):
        return Offer(self.origin, variant="canary")

    def fetch(self, offer, folder, progress):
        return folder / "bundle.zip"


@pytest.fixture
def make():
    """Return a function that makes a source, and collects in `thresholds` and `opened` what the source passes on."""

    def make(config, open_source=FixedSource):
        def open_counted(settings):
            make.opened.append(settings)
            return open_source(settings)

        return ConfiguredSource(SETTINGS, config, Http(), open_counted, make.thresholds.append)

    make.thresholds, make.opened = [], []
    return make


def test_choices_override_the_settings(make):
    source = make(FixedConfig(model_channel="beta", model_name="hall", model_threshold="0.75"))
    assert source.origin == "Remote Config of the Firebase project demo"
    assert source.check().hash == source.origin == "channel beta, model hall"
    assert make.thresholds == [0.75]


def test_settings_are_used_without_choices(make):
    source = make(FixedConfig(model_channel="../x", model_threshold="high"))
    assert source.check().hash == "channel stable, model None" and make.thresholds == [None]


def test_source_is_opened_again_only_for_another_choice(make):
    config = FixedConfig(model_channel="beta")
    source = make(config)
    for channel in ("beta", "beta", "gamma"):
        config.config = Config({"model_channel": channel})
        source.check()
    assert [settings.channel for settings in make.opened] == ["beta", "gamma"]


def test_experiment_replaces_the_branch_of_the_channel(make):
    config = FixedConfig()
    source = make(config)
    assert (source.check().variant, source.check().experiment) == ("canary", None)
    config.config = Config(experiment="lights", variant="b")
    assert (source.check().variant, source.check().experiment) == ("b", "lights")


def test_fetch_before_a_check_is_an_error(make, tmp_path):
    source = make(FixedConfig())
    with pytest.raises(SourceError, match="not been checked"):
        source.fetch(Offer("hash"), tmp_path, lambda got, of: None)
    source.check()
    assert source.fetch(Offer("hash"), tmp_path, lambda got, of: None) == tmp_path / "bundle.zip"


@pytest.mark.parametrize(("failure", "error"), [(None, SourceSettingsError), ("503: busy", SourceError)])
def test_missing_choice_is_temporary_while_remote_config_fails(make, failure, error):
    def refuse(_):
        raise SourceSettingsError("no model is named")

    config = FixedConfig()
    config.error = failure
    with pytest.raises(error, match=f"no model is named.*{failure or ''}"):
        make(config, refuse).check()
