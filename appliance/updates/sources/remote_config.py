"""A source whose channel, model name and threshold Firebase Remote Config chooses for this device.

It stands before the source that the settings name. The experiment and the variant of the choice go with what is offered,
and so into the events: that is what results are compared by. They take the place of a channel's own variant, since the two
only mean something together.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from appliance.errors import SourceError, SourceSettingsError
from appliance.settings.schema import UpdateSettings
from appliance.transport.http import Http
from appliance.updates.firebase.remote_config import Config, RemoteConfig
from appliance.updates.sources.source import Offer, Progress, Source

log = logging.getLogger(__name__)


class ConfiguredSource:
    """The source that holds now, and what decides which that is."""

    def __init__(
        self,
        settings: UpdateSettings,
        config: RemoteConfig,
        http: Http,
        make: Callable[[UpdateSettings], Source],
        threshold: Callable[[float | None], None],
    ):
        """Args:
        settings: What holds where Remote Config does not say otherwise.
        config: Remote Config.
        http: Of all sources; closed with this one.
        make: Makes the source for other settings.
        threshold: Told the threshold that Remote Config chose, None where it chose none.
        """
        self._settings = settings
        self._config = config
        self._http = http
        self._make = make
        self._threshold = threshold
        self._chosen = settings
        self._source: Source | None = None
        self.origin = f"Remote Config of the Firebase project {settings.firebase.project_id}"

    def check(self, requested: bool = False) -> Offer | None:
        """As Source.check, of the source that Remote Config chose."""
        config = self._config.current(requested)
        self._threshold(config.threshold)
        source = self._source_for(config)
        offer = source.check(requested)
        if offer is None or config.experiment is None:
            return offer
        return replace(offer, experiment=config.experiment, variant=config.variant)

    def fetch(self, offer: Offer, folder: Path, progress: Progress) -> Path:
        """As Source.fetch."""
        if self._source is None:
            raise SourceError("nothing was asked for yet")
        return self._source.fetch(offer, folder, progress)

    def close(self) -> None:
        """As Source.close."""
        self._http.close()

    def _source_for(self, config: Config) -> Source:
        firebase = self._settings.firebase
        chosen = replace(
            self._settings,
            channel=config.channel or self._settings.channel,
            firebase=replace(firebase, model_name=config.model_name or firebase.model_name),
        )
        if self._source is None or chosen != self._chosen:
            try:
                self._source = self._make(chosen)
            except SourceSettingsError as error:
                if self._config.trouble:
                    raise SourceError(f"{error}; Remote Config cannot be had: {self._config.trouble}") from error
                raise
            self._chosen = chosen
            self.origin = self._source.origin
        return self._source
