"""Serve a signed local repository for the demo."""

import functools
import threading
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from packaging.version import Version

from appliance.bundle.bundle import read_bundle, write_bundle
from appliance.errors import UsageError, suggest_install
from appliance.system.shipped import FOR_DRAWN_SCENES, find_shipped

# Different from the threshold of the bundled model, so that the swap changes what is reported.
_NEWER_THRESHOLD = 0.5


class LocalRepository:
    """A signed repository of models, served by a plain static web server on 127.0.0.1.

    Attributes:
        root: The root metadata that a device trusts (update.root).
        url: The address of the repository.
    """

    def __init__(self, folder: Path):
        """Create an empty repository and serve it.

        Args:
            folder: An empty folder for the site and its keys.

        Raises:
            UsageError: The libraries for signing are not installed.
        """
        try:
            from appliance.workshop.publishing.keys import KeyFolder
            from appliance.workshop.publishing.publisher import SitePublisher
        except ImportError as error:
            raise UsageError(f"signing a model requires more libraries; {suggest_install('publish')}") from error
        self._folder = folder
        site = folder / "site"
        site.mkdir(parents=True)
        self._publisher = SitePublisher(site, KeyFolder(folder / "keys"))
        self._publisher.init()
        self.root = self._publisher.keys.device_root
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_QuietHandler, directory=str(site)))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, name="repository", daemon=True).start()

    def push_newer(self) -> str:
        """Publish the bundled model with a higher version and a different threshold; return a description of it.

        Raises:
            PublishError: The model could not be published.
        """
        bundle = read_bundle(find_shipped(FOR_DRAWN_SCENES))
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
        return f"{bundle.identity.name} {version}, which reports scores of {_NEWER_THRESHOLD} or more"

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._server.server_close()


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: the demo prints its own lines."""
