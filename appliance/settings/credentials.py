"""Use systemd credentials as secret files."""

import os
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from appliance.settings.schema import Settings

# LoadCredential=secrets:FOLDER gives each file of the folder the name secrets_FILE (systemd.exec(5)).
_CREDENTIAL_PREFIX = "secrets_"


# Readable by root alone: the service gets copies from systemd, and a command that root runs reads them here.
CREDENTIALS = Path("/etc/appliance/credentials")


def find_credential(name: str, environ: Mapping[str, str] = os.environ, folder: Path = CREDENTIALS) -> Path | None:
    """The file of the credential that was put as `name` into /etc/appliance/credentials, or None."""
    given = environ.get("CREDENTIALS_DIRECTORY")
    path = Path(given, _CREDENTIAL_PREFIX + name) if given else folder / name
    return path if os.access(path, os.R_OK) else None


def apply_credentials(
    settings: Settings, environ: Mapping[str, str] = os.environ, folder: Path = CREDENTIALS
) -> Settings:
    """The settings, with systemd's credentials in place of the files in /etc/appliance/credentials.

    An account that names no password file takes `mqtt_password` and `camera_password` from there. A setting that names a
    file in that folder, which the service itself cannot read, gets the copy that systemd handed over.
    """
    mqtt, camera = settings.mqtt, settings.camera
    if mqtt.username and not mqtt.password_file:
        mqtt = replace(mqtt, password_file=find_credential("mqtt_password", environ, folder))
    if camera.username and not camera.password_file:
        camera = replace(camera, password_file=find_credential("camera_password", environ, folder))
    return replace(settings, mqtt=_handed_over(mqtt, environ, folder), camera=_handed_over(camera, environ, folder))


def _handed_over(section: Any, environ: Mapping[str, str], folder: Path) -> Any:
    """A section of the settings, with each file of the folder replaced by its copy where there is one."""
    copies = {}
    for field in fields(section):
        file = getattr(section, field.name)
        if isinstance(file, Path) and file.parent == folder and (copy := find_credential(file.name, environ, folder)):
            copies[field.name] = copy
    return replace(section, **copies)
