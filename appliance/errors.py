"""Every error that this program raises on purpose.

The text of each is one sentence for the person who has to act: the fact, then the remedy after a semicolon, without a
final full stop. They are raised where the fact is known and caught where something can be done.

    ApplianceError
    ├── SettingsError                the settings are invalid (exit status 78)
    ├── UsageError                   the command line is invalid (exit status 2)
    ├── StatePathError               a folder for state or for a run cannot be used
    ├── PictureError                 a picture file cannot be read
    ├── CameraError                  the camera cannot deliver a frame now
    │   ├── CameraAbsentError            there is no such camera, file or server
    │   ├── CameraBusyError              another process uses it
    │   ├── CameraStalledError           it is open and delivers no frames
    │   └── CameraEndedError             a recording reached its end (not a fault)
    ├── ModelError                   a model cannot be used
    │   ├── BundleError                  a bundle is invalid
    │   ├── LabelOptionError             an option refers to a label that this model does not have
    │   └── RuntimeMissingError          no working TFLite runtime is installed
    ├── ProbeError                   a bundle could not be tested (no judgment about the bundle)
    ├── MessagingError               MQTT cannot be used
    │   ├── OutboxError                  the file of undelivered events cannot be used
    │   └── CommandError                 a command over MQTT is invalid or could not be carried out
    ├── StoreError                   the folder of installed models cannot be used
    ├── UpdateError                  a newer model could not be fetched or installed
    │   ├── SourceError                  a source cannot be used for now; it is tried again later
    │   │   ├── HttpStatusError              the server answered with a status other than success
    │   │   ├── SourceChangedError           the offer changed while it was fetched
    │   │   └── DiskFullError                the disk has no space for the offer
    │   └── SourceSettingsError          a source will not work until its settings are changed
    │       └── ChannelError                 a channel's file is invalid
    ├── ControlError                 the running daemon could not be asked, or refused
    │   └── DaemonAbsentError            no daemon is running
    └── WorkshopError                the operator's side failed
        ├── DatasetError                 a dataset cannot be read or is unsuitable
        ├── BaseModelError               a model cannot serve as a base for training
        ├── TrainingError                a training cannot be carried out
        └── PublishError                 a repository of models cannot be published or is incomplete
"""


class ApplianceError(Exception):
    """The base of all; `str(error)` is one sentence that can be shown as it is."""


# Settings, command line, folders


class SettingsError(ApplianceError):
    """The settings are invalid; the text gives the file, the line and the key if they are known."""


class UsageError(ApplianceError):
    """The command line is invalid."""


class StatePathError(ApplianceError):
    """A folder for state or for a run cannot be used."""


# Pictures and cameras


class PictureError(ApplianceError):
    """A picture cannot be read."""


class CameraError(ApplianceError):
    """The camera cannot deliver a frame now; each subclass has a state in camera.source."""


class CameraAbsentError(CameraError):
    """There is no such camera, file or server."""


class CameraBusyError(CameraError):
    """Another process uses the camera."""


class CameraStalledError(CameraError):
    """The camera is open and delivers no frames."""


class CameraEndedError(CameraError):
    """A recording reached its end and does not loop; not a fault."""


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
    """The file of undelivered events cannot be used."""


class CommandError(MessagingError):
    """A command over MQTT is invalid or could not be carried out; the text gives a valid one."""


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


class HttpStatusError(SourceError):
    """The server answered with a status other than success.

    Attributes:
        status: The HTTP status.
        body: The beginning of the response.
    """

    def __init__(self, message: str, status: int, retry_after_s: float | None = None, body: bytes = b""):
        super().__init__(message, retry_after_s)
        self.status = status
        self.body = body


class SourceChangedError(SourceError):
    """The offer changed while it was fetched; ask again immediately."""


class DiskFullError(SourceError):
    """The disk has no space for the offer; the caller removes what was fetched of it."""


class SourceSettingsError(UpdateError):
    """A source will not work until its settings, or what they refer to, are changed."""


class ChannelError(SourceSettingsError):
    """A channel's file is invalid."""


# The control socket


class ControlError(ApplianceError):
    """The running daemon could not be asked, or refused."""


class DaemonAbsentError(ControlError):
    """No daemon is running."""


# The operator's side


class WorkshopError(ApplianceError):
    """A dataset, a training, an evaluation or a repository of models failed."""


class DatasetError(WorkshopError):
    """A dataset cannot be read or is unsuitable; the text gives the part that is wrong."""


class BaseModelError(WorkshopError):
    """A model cannot serve as a base for training."""


class TrainingError(WorkshopError):
    """A training cannot be carried out."""


class PublishError(WorkshopError):
    """A repository of models cannot be published, or a published one is incomplete."""


# Wording that several errors share


def suggest_install(extra: str) -> str:
    """Return the remedy for a missing extra: to install it from the sources.

    The program is on no package index.
    """
    return f"install it in the folder of this program's sources: pip install '.[{extra}]'"


def describe_os_error(error: OSError) -> str:
    """Return the system's text of an error without number and path, like "Permission denied"."""
    return error.strerror or str(error) or type(error).__name__
