"""Local signed repository for the demo."""

import functools
import threading
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from packaging.version import Version

from appliance.bundle.bundle import read_bundle, write_bundle
from appliance.daemon.active_model import BUNDLED
from appliance.errors import UsageError, how_to_install

# The newer model reports what it is less sure of.
_NEWER_THRESHOLD = 0.5


class LocalRepository:
    """A signed repository of models, served by a plain static web server on 127.0.0.1."""

    def __init__(self, folder: Path):
        """Args:
            folder: An empty one, for the site and its keys.

        Raises:
            UsageError: What signs is not installed.
        """
        try:
            from appliance.workshop.publishing.keys import KeyFolder
            from appliance.workshop.publishing.publisher import SitePublisher
        except ImportError as error:
            raise UsageError(f"signing a model needs more; {how_to_install('publish')}") from error
        self._folder = folder
        site = folder / "site"
        site.mkdir(parents=True)
        self._publisher = SitePublisher(site, KeyFolder(folder / "keys"))
        self._publisher.init()
        self.root = self._publisher.keys.device_root
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Silent, directory=str(site)))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, name="repository", daemon=True).start()

    def push_newer(self) -> str:
        """Signs the bundled model with a greater version and another threshold; says what it did."""
        bundle = read_bundle(BUNDLED)
        release = Version(bundle.version or "0").release
        version = ".".join(map(str, (release[0], release[1] + 1 if len(release) > 1 else 1, 0)))
        newer = replace(
            bundle,
            identity=replace(bundle.identity, version=version),
            confidence_threshold=_NEWER_THRESHOLD,
            label_thresholds={},
        )
        write_bundle(newer, self._folder / version)
        self._publisher.push(self._folder / version)
        return f"{bundle.identity.name} {version}, which reports from a score of {_NEWER_THRESHOLD} on"

    def close(self) -> None:
        """Ends the server."""
        self._server.shutdown()
        self._server.server_close()


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass
