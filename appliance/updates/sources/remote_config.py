"""A source for which Firebase Remote Config chooses the channel, the model name and the threshold.

It wraps the source in the settings. The experiment and variant that Remote Config chose become part of the offer, and
so of the events with which results are compared. They replace a channel's own variant, because an experiment and its
variant are meaningful only together.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from appliance.errors import SourceError, SourceSettingsError
from appliance.settings.schema import UpdateSettings
from appliance.transport.http import Http
from appliance.updates.firebase.remote_config import Config, RemoteConfig
from appliance.updates.sources.source import Offer, Progress, Source


class ConfiguredSource:
    """The source that Remote Config chooses."""

    def __init__(
        self,
        settings: UpdateSettings,
        config: RemoteConfig,
        http: Http,
        open_source: Callable[[UpdateSettings], Source],
        apply_threshold: Callable[[float | None], None],
    ):
        """Keep references to the arguments; nothing is requested yet.

        Args:
            settings: The settings that Remote Config overrides.
            config: Remote Config.
            http: The HTTP client of all sources; closed with this one.
            open_source: Opens the source for the given settings.
            apply_threshold: Receives the threshold that Remote Config chose; None if it chose none.
        """
        self._settings = settings
        self._config = config
        self._http = http
        self._open_source = open_source
        self._apply_threshold = apply_threshold
        self._chosen_settings = settings
        self._source: Source | None = None
        self.origin = f"Remote Config of the Firebase project {settings.firebase.project_id}"

    def check(self, requested: bool = False) -> Offer | None:
        """Return the offer of the source that Remote Config chose (see Source.check)."""
        config = self._config.get_config(requested)
        self._apply_threshold(config.threshold)
        offer = self._select_source(config).check(requested)
        if offer is None or config.experiment is None:
            return offer
        return replace(offer, experiment=config.experiment, variant=config.variant)

    def forget(self) -> None:
        """Pass it on to the chosen source (see Source.forget)."""
        if self._source:
            self._source.forget()

    def is_unchanged(self) -> bool:
        """Return what the chosen source returns (see Source.is_unchanged)."""
        return self._source is not None and self._source.is_unchanged()

    def has_withdrawn(self, offer_hash: str) -> bool:
        """Return what the chosen source returns (see Source.has_withdrawn)."""
        return self._source is not None and self._source.has_withdrawn(offer_hash)

    def fetch(self, offer: Offer, folder: Path, progress: Progress) -> Path:
        """Download the offer (see Source.fetch)."""
        if self._source is None:
            raise SourceError("the source has not been checked yet")
        return self._source.fetch(offer, folder, progress)

    def close(self) -> None:
        """End a current request (see Source.close)."""
        self._http.close()

    def _select_source(self, config: Config) -> Source:
        firebase = self._settings.firebase
        chosen = replace(
            self._settings,
            channel=config.channel or self._settings.channel,
            firebase=replace(firebase, model_name=config.model_name or firebase.model_name),
        )
        if self._source is None or chosen != self._chosen_settings:
            try:
                self._source = self._open_source(chosen)
            except SourceSettingsError as error:
                if self._config.error:
                    raise SourceError(f"{error}; Remote Config is not available: {self._config.error}") from error
                raise
            self._chosen_settings = chosen
            self.origin = self._source.origin
        return self._source
