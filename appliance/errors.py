"""Every error that this program raises on purpose.

The text of each error is one sentence for the person who has to act: the fact, then the remedy after a semicolon, with
no final period. An error is raised where the fact is known and caught where something can be done about it.

    ApplianceError
    ├── SettingsError                the settings are invalid (exit status 78)
    ├── UsageError                   the command line is invalid (exit status 2)
    ├── OutputError                  the result of a command cannot be written
    ├── StatePathError               the state folder or the runtime folder cannot be used
    ├── PictureError                 a picture file cannot be read
    ├── CameraError                  the camera cannot deliver a frame now
    │   ├── CameraAbsentError            the camera, file or server does not exist
    │   ├── CameraBusyError              another process is using the camera
    │   ├── CameraStalledError           the camera is open but delivers no frames
    │   └── CameraEndedError             a recording reached its end (not a fault)
    ├── ModelError                   a model cannot be used
    │   ├── BundleError                  a bundle is invalid
    │   ├── LabelOptionError             an option refers to a label that this model does not have
    │   └── RuntimeMissingError          no working TFLite runtime is installed
    ├── ProbeError                   a bundle could not be tested for now; the bundle itself may be valid
    ├── MessagingError               MQTT cannot be used
    │   ├── OutboxError                  the file with the undelivered events cannot be used
    │   └── CommandError                 a command over MQTT is invalid or could not be carried out
    ├── HistoryError                 the history of events cannot be read now
    ├── WebError                     the page cannot be served
    │   ├── WebAccessError               the file with sessions and tokens cannot be used
    │   └── RequestError                 a request to the page is refused, with an HTTP status
    │       └── TeachingError            the dataset of the device cannot be changed as requested
    ├── StoreError                   the folder of installed models cannot be used
    ├── UpdateError                  a newer model could not be fetched or installed
    │   ├── SourceError                  a source cannot be used for now; a later attempt may succeed
    │   │   ├── SourceGoneError              the source no longer has the model
    │   │   ├── HttpStatusError              the server answered with an error status
    │   │   ├── SourceTimeoutError           the server did not answer in time
    │   │   ├── SourceChangedError           the offered model changed while it was being fetched
    │   │   └── DiskFullError                the disk has no space for the offered model
    │   └── SourceSettingsError          a source will not work until its settings are changed
    │       └── ChannelError                 a channel's file is invalid
    ├── ControlError                 the running daemon could not be reached, or refused the request
    │   ├── ControlAccessError           this account may not contact the daemon
    │   └── DaemonAbsentError            no daemon is running
    └── WorkshopError                a task of the operator failed
        ├── DatasetError                 a dataset cannot be read or is unsuitable
        ├── BaseModelError               a model cannot be used as the base for training
        ├── TrainingError                a model cannot be trained
        └── PublishError                 a model repository cannot be published, or is incomplete
"""

import os
import pathlib
import shlex
import sys

_INSTALLED = pathlib.Path("/opt/appliance")


class ApplianceError(Exception):
    """The base class of all errors of this program; `str(error)` is one sentence that can be displayed as is."""


# Settings, command line, folders


class SettingsError(ApplianceError):
    """The settings are invalid; the text gives the file, the line and the key, if known."""


class UsageError(ApplianceError):
    """The command line is invalid."""


class OutputError(ApplianceError):
    """The result of a command cannot be written to standard output."""


class StatePathError(ApplianceError):
    """The state folder or the runtime folder cannot be used."""


# Pictures and cameras


class PictureError(ApplianceError):
    """A picture cannot be read."""


class CameraError(ApplianceError):
    """The camera cannot deliver a frame now; `CameraState.from_error` gives the state for each subclass."""


class CameraAbsentError(CameraError):
    """The camera, file or server does not exist."""


class CameraBusyError(CameraError):
    """Another process is using the camera."""


class CameraStalledError(CameraError):
    """The camera is open but delivers no frames."""


class CameraEndedError(CameraError):
    """A recording that does not loop reached its end; this is not a fault."""


# Models


class ModelError(ApplianceError):
    """A model cannot be used."""


class BundleError(ModelError):
    """A bundle is invalid; the text gives the file and what is wrong with it."""


class LabelOptionError(ModelError):
    """An option (allow, deny, a label's threshold) refers to a label that this model does not have."""


class RuntimeMissingError(ModelError):
    """No working TFLite runtime is installed."""


class ProbeError(ApplianceError):
    """A bundle could not be tested for now; the bundle itself may be valid."""


# MQTT


class MessagingError(ApplianceError):
    """MQTT cannot be used."""


class OutboxError(MessagingError):
    """The file with the undelivered events cannot be used."""


class CommandError(MessagingError):
    """A command over MQTT is invalid or could not be carried out; the text gives a valid one."""


# History


class HistoryError(ApplianceError):
    """The history of events cannot be read now."""


# The page


class WebError(ApplianceError):
    """The page or its HTTP API cannot be served, or a request cannot be carried out."""


class WebAccessError(WebError):
    """A sign-in code, a session or a token cannot be made, revoked or used."""


class RequestError(WebError):
    """A request is refused; `status` is the HTTP status of the answer."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


class TeachingError(RequestError):
    """The dataset of the device cannot be changed as requested; `status` is the HTTP status of the answer."""


# Updates


class StoreError(ApplianceError):
    """The folder of installed models cannot be used."""


class UpdateError(ApplianceError):
    """A newer model could not be fetched or installed."""


class SourceError(UpdateError):
    """A source of models cannot be used for now.

    Attributes:
        retry_after_s: How long the server asks the device to wait; None if it does not ask.
    """

    def __init__(self, message: str, retry_after_s: float | None = None):
        super().__init__(message)
        self.retry_after_s = retry_after_s


class SourceGoneError(SourceError):
    """What a source offered was removed from it."""


class HttpStatusError(SourceError):
    """The server answered with an error status.

    Attributes:
        status: The HTTP status.
        body: The beginning of the response.
    """

    def __init__(self, message: str, status: int, retry_after_s: float | None = None, body: bytes = b""):
        super().__init__(message, retry_after_s)
        self.status = status
        self.body = body


class SourceTimeoutError(SourceError):
    """The server did not answer in time, or stopped sending."""


class SourceChangedError(SourceError):
    """The offered model changed while it was being fetched; check the source again immediately."""


class DiskFullError(SourceError):
    """The disk has no space for the offered model; the caller removes the part that was fetched."""


class SourceSettingsError(UpdateError):
    """A source will not work until its settings, or what they refer to, are changed."""


class ChannelError(SourceSettingsError):
    """A channel's file is invalid."""


# The control socket


class ControlError(ApplianceError):
    """The running daemon could not be reached, or refused the request."""


class ControlAccessError(ControlError):
    """This account may not contact the daemon."""


class DaemonAbsentError(ControlError):
    """No daemon is running."""


# The operator's tasks


class WorkshopError(ApplianceError):
    """A task of the operator failed: preparing a dataset, training, evaluating or publishing."""


class DatasetError(WorkshopError):
    """A dataset cannot be read or is unsuitable; the text states which part is wrong."""


class BaseModelError(WorkshopError):
    """A model cannot be used as the base for training."""


class TrainingError(WorkshopError):
    """A model cannot be trained."""


class PublishError(WorkshopError):
    """A model repository cannot be published, or a published one is incomplete."""


# Wording that several errors share


def suggest_install(extra: str) -> str:
    """Return the remedy for a missing extra: the command that installs it from the program's source folder.

    The program is not published on a package index. On an installed device, only the installer can add an extra.
    """
    if pathlib.Path(sys.prefix).is_relative_to(_INSTALLED):
        return f"in the folder from which it was installed, run: sudo scripts/install.sh --with {extra}"
    return f"install it from this program's source folder with: pip install '.[{extra}]'"


def describe_os_error(error: OSError) -> str:
    """Return the system's text for an error, without number and path, such as "Permission denied"."""
    return error.strerror or str(error) or type(error).__name__


def describe_unreadable(path: pathlib.Path, error: OSError, *, is_secret: bool = False) -> str:
    """Return a sentence that a file or folder cannot be read, with the remedy if the reason is its mode.

    Args:
        path: The file or folder.
        error: The system's error.
        is_secret: Whether others must not be able to read it, such as a key or a password.
    """
    text = f"{path} cannot be read: {describe_os_error(error)}"
    if not isinstance(error, PermissionError):
        return text
    if is_secret:
        return f"{text}; run the command with sudo, or make this account its owner with chown"
    closed = next((above for above in reversed(path.absolute().parents) if not os.access(above, os.X_OK)), path)
    return f"{text}; copy it to a folder that this account may read, or run: sudo chmod a+rX {shlex.quote(str(closed))}"
