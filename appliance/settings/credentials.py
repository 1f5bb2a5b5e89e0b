"""Use systemd credentials as secret files."""

import os
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

from appliance.settings.schema import CameraSettings, MqttSettings, Settings

# Readable only by root: systemd gives copies to the service, and a command that root runs reads the files themselves.
CREDENTIALS = Path("/etc/appliance/credentials")
# LoadCredential=secrets:FOLDER gives each file in the folder the name secrets_FILE (systemd.exec(5)).
_CREDENTIAL_PREFIX = "secrets_"

Section = TypeVar("Section", MqttSettings, CameraSettings)


def find_credential(name: str, environ: Mapping[str, str] = os.environ, folder: Path = CREDENTIALS) -> Path | None:
    """Return the file to read for the credential `name`, or None if this process can read none.

    Args:
        name: The file's name in the folder.
        environ: Contains CREDENTIALS_DIRECTORY if systemd started this process.
        folder: The folder of credentials.
    """
    given = environ.get("CREDENTIALS_DIRECTORY")
    path = Path(given, _CREDENTIAL_PREFIX + name) if given else folder / name
    return path if os.access(path, os.R_OK) else None


def has_closed_credentials(folder: Path = CREDENTIALS) -> bool:
    """Return whether there is a folder of credentials that this account may not read."""
    try:
        return folder.is_dir() and not os.access(folder, os.R_OK | os.X_OK)
    except PermissionError:  # raised for its parent folder
        return True


def apply_credentials(
    settings: Settings, environ: Mapping[str, str] = os.environ, folder: Path = CREDENTIALS
) -> Settings:
    """Return the settings with systemd's credentials in place of the files in /etc/appliance/credentials.

    A user name without a password file gets the credential `mqtt_password` or `camera_password`. The service itself
    cannot read the files in that folder, so a setting that refers to one gets systemd's copy.
    """
    mqtt, camera = settings.mqtt, settings.camera
    if mqtt.username and not mqtt.password_file:
        mqtt = replace(mqtt, password_file=find_credential("mqtt_password", environ, folder))
    if camera.username and not camera.password_file:
        camera = replace(camera, password_file=find_credential("camera_password", environ, folder))
    return replace(
        settings,
        mqtt=_replace_with_copies(mqtt, environ, folder),
        camera=_replace_with_copies(camera, environ, folder),
    )


def _replace_with_copies(section: Section, environ: Mapping[str, str], folder: Path) -> Section:
    """Return the section with each file in the folder replaced by its copy, if there is one."""
    copies: dict[str, Any] = {}
    for field in fields(section):
        file = getattr(section, field.name)
        if isinstance(file, Path) and file.parent == folder and (copy := find_credential(file.name, environ, folder)):
            copies[field.name] = copy
    return replace(section, **copies)
