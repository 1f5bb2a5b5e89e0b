"""Every error this program raises on purpose.

Each carries one sentence for the person who has to act: what is wrong, where, and what to do about it.
They are raised where the fact is known and caught where something can be done.

    ApplianceError
    ├── SettingsError            the settings are wrong (exit status 78)
    ├── UsageError               the command line is wrong (exit status 2)
    ├── PictureError             a picture file cannot be read
    ├── CameraError              no frame, for now; `state` is what T/stats shows
    │   ├── CameraAbsentError        there is no such camera, file or server
    │   ├── CameraBusyError          somebody else holds it
    │   ├── CameraStalledError       it is open and gives no frames
    │   └── CameraEndedError         a recording came to its end (not a fault)
    ├── ModelError               something about a model
    │   ├── BundleError              a bundle is refused: what is wrong with its files
    │   ├── LabelOptionError         an option names what this model does not have
    │   └── RuntimeMissingError      no TFLite runtime that works is installed
    ├── MessagingError           something about MQTT
    │   ├── OutboxError              the file of undelivered events cannot be used
    │   └── CommandError             a command that came over MQTT is not a good one, or was not carried out
    ├── PlacesError              a folder for state or for the run cannot be used
    ├── StoreError               the folder of installed models cannot be used
    ├── ProbeError               a bundle could not be tried out; says nothing about the bundle
    ├── UpdateError              something about fetching and putting in a newer model
    │   ├── SourceError              a source cannot be used for now; tried again later
    │   │   ├── HttpStatusError          the server answered, with a status that is no success
    │   │   ├── SourceChangedError       what is offered changed while it was fetched
    │   │   └── NoRoomError              the disk has no room for what is offered
    │   └── SourceSettingsError      a source will not work until somebody changes something
    │       └── ChannelError             a channel's file is no good one
    ├── ControlError             the running daemon could not be asked, or said no
    │   └── DaemonAbsentError        no daemon is running
    └── WorkshopError            a dataset, a training, an evaluation or a repository of models
        ├── DatasetError             a dataset cannot be read, or is not fit for its use
        ├── BaseModelError           a model cannot serve as a base for training
        ├── TrainingError            a training cannot be carried out
        └── PublishError             a repository of models cannot be published, or is not whole
"""


class ApplianceError(Exception):
    """The root: `str(error)` is one sentence, fit to be shown as it is."""


class SettingsError(ApplianceError):
    """The settings are wrong; names the file, the line and the key where it can."""


class UsageError(ApplianceError):
    """The command line is wrong."""


class PictureError(ApplianceError):
    """A picture cannot be read."""


class CameraError(ApplianceError):
    """The camera cannot deliver a frame now; appliance.camera.source.CameraState names the resulting state."""


class CameraAbsentError(CameraError):
    """There is no such camera, file or server."""


class CameraBusyError(CameraError):
    """Somebody else holds the camera."""


class CameraStalledError(CameraError):
    """The camera is open and gives no frames."""


class CameraEndedError(CameraError):
    """A recording came to its end and does not loop; not a fault."""


class ModelError(ApplianceError):
    """Something about a model."""


class BundleError(ModelError):
    """A bundle is refused; says what is wrong with which file."""


class LabelOptionError(ModelError):
    """An option (allow, deny, a label's threshold) names what this model does not have."""


class RuntimeMissingError(ModelError):
    """No TFLite runtime that works is installed."""


class MessagingError(ApplianceError):
    """Something about MQTT."""


class OutboxError(MessagingError):
    """The file of undelivered events cannot be used."""


class CommandError(MessagingError):
    """A command that came over MQTT is not a good one, or was not carried out; says what would be right."""


class StatePathError(ApplianceError):
    """A folder for state or for the run cannot be used."""


class StoreError(ApplianceError):
    """The folder of installed models cannot be used."""


class ProbeError(ApplianceError):
    """A bundle could not be tried out, for now; says nothing about the bundle itself."""


class UpdateError(ApplianceError):
    """Something about fetching a newer model and putting it in."""


class SourceError(UpdateError):
    """A source of models cannot be used for now.

    `retry_after_s`: how long the server asked to be left alone, None where it did not.
    """

    def __init__(self, message: str, retry_after_s: float | None = None):
        super().__init__(message)
        self.retry_after_s = retry_after_s


class HttpStatusError(SourceError):
    """The server answered with a status that is no success: `status`. `body` is the beginning of what it said."""

    def __init__(self, message: str, status: int, retry_after_s: float | None = None, body: bytes = b""):
        super().__init__(message, retry_after_s)
        self.status = status
        self.body = body


class SourceChangedError(SourceError):
    """What is offered changed while it was fetched: ask again at once."""


class DiskFullError(SourceError):
    """The disk has no room for what is offered; what was fetched of it is to go."""


class SourceSettingsError(UpdateError):
    """A source will not work until somebody changes its settings, or what it names."""


class ChannelError(SourceSettingsError):
    """A channel's file is not a good one; says what is wrong with it."""


class ControlError(ApplianceError):
    """The running daemon could not be asked, or said no."""


class DaemonAbsentError(ControlError):
    """No daemon is running."""


class WorkshopError(ApplianceError):
    """Something about a dataset, a training, an evaluation or a repository of models."""


class DatasetError(WorkshopError):
    """A dataset cannot be read, or is not fit for its use; says what is wrong with which part of it."""


class BaseModelError(WorkshopError):
    """A model cannot serve as a base for training."""


class TrainingError(WorkshopError):
    """A training cannot be carried out."""


class PublishError(WorkshopError):
    """A repository of models cannot be published, or what was published is not whole; says what to do."""


def suggest_install(extra: str) -> str:
    """The end of a sentence about what an extra would bring; from the sources, since the program is on no package index."""
    return f"install it in the folder of this program's sources: pip install '.[{extra}]'"


def describe_os_error(error: OSError) -> str:
    """Return the system's words for an error, for example "No such file or directory", without number and path."""
    return error.strerror or str(error) or type(error).__name__
