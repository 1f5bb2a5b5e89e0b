"""What an error of libav means to the person who has to act: one sentence, and the state that T/stats shows.

libav's errors come here as PyAV raises them; they are known by their errno and their class's name, so that PyAV
is not imported. Nothing of their own text is used but libav's general description: it may hold an address with a
password in it.
"""

import errno
import getpass
from pathlib import Path

from appliance.camera.device_holder import find_device_holder
from appliance.camera.stream import v4l2 as device
from appliance.camera.stream.address import CameraAddress, find_certificate_fault
from appliance.errors import CameraAbsentError, CameraBusyError, CameraError, CameraStalledError

SILENCE = {"ExitError", "TimeoutError"}  # libav's own timeout, and the system's
NOT_VIDEO = {"InvalidDataError", "DemuxerNotFoundError", "DecoderNotFoundError", "PatchWelcomeError", "EOFError"}


class UnsupportedOptionsError(CameraAbsentError):
    """The device cannot do what was asked for; something else may do."""


def convert_file_error(error: Exception, path: Path, opening: bool) -> CameraError:
    """What is wrong with a video file."""
    kind = type(error).__name__
    if isinstance(error, FileNotFoundError):
        return CameraAbsentError(f"{path} does not exist; check camera.source")
    if isinstance(error, PermissionError):
        return CameraAbsentError(f"{path} may not be read by {_user()}; give it the right with chmod or chown")
    if kind in SILENCE:
        return CameraStalledError(f"{path} could not be read in time; check the disk")
    if kind in NOT_VIDEO and opening:
        return CameraAbsentError(f"{path} is no video in a known format, or is damaged; check camera.source")
    return CameraAbsentError(f"{path} could not be read: {_general(error)}")


def convert_device_error(error: Exception, path: Path, opening: bool) -> CameraError:
    """What is wrong with a V4L2 device."""
    code = getattr(error, "errno", None)
    if isinstance(error, FileNotFoundError):
        return CameraAbsentError(
            f"{path} is not there; plug the camera in, or correct camera.source ({device.present()})"
        )
    if isinstance(error, PermissionError):
        user = _user()
        return CameraAbsentError(
            f"{path} may not be opened by {user}; give it the right: sudo usermod -aG video {user}"
        )
    if code == errno.EBUSY:
        by = find_device_holder(str(path.resolve())) or "another program"
        return CameraBusyError(f"{path} is in use by {by}; stop that, or use another camera")
    if type(error).__name__ in SILENCE:
        return CameraStalledError(f"{path} gives no frames; unplug the camera and plug it in again")
    if opening and code == errno.EINVAL:
        return UnsupportedOptionsError(f"{path} offers no picture that can be used; try another camera ({device.present()})")
    if opening and code in (errno.ENOTTY, errno.ENODEV):
        return CameraAbsentError(
            f"{path} is not a camera, or its second device, which gives no pictures ({device.present()})"
        )
    if code in (errno.ENODEV, errno.ENXIO, errno.EIO):
        return CameraAbsentError(f"{path} went away; check its plug and its power")
    return CameraAbsentError(f"{path} could not be {'opened' if opening else 'read'}: {_general(error)}")


def convert_address_error(error: Exception, where: CameraAddress, opening: bool) -> CameraError:
    """What is wrong with a network camera or its server."""
    kind, code, shown = type(error).__name__, getattr(error, "errno", None), where.shown
    if kind in SILENCE:
        what = "does not answer in time" if opening else "went silent"
        return CameraStalledError(f"{shown} {what}; check the camera and the network")
    if kind == "HTTPTooManyRequestsError":
        return CameraBusyError(f"{shown} serves too many others (429); disconnect some, or lower camera.fps")
    if what := _refusals(where).get(kind):
        return CameraAbsentError(f"{shown} {what}")
    if kind.startswith("HTTP"):
        return CameraAbsentError(f"{shown} refuses the request: {_general(error)}")
    if isinstance(error, ConnectionRefusedError):
        what = f"nothing listens on port {where.port} of {where.host}"
        return CameraAbsentError(f"{shown}: {what}; is the camera on, and the port right?")
    if code in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return CameraAbsentError(f"{shown}: {where.host} cannot be reached; check the camera's cable and the network")
    if opening and (why := find_certificate_fault(where)):
        remedy = "put its authority into /usr/local/share/ca-certificates and run update-ca-certificates"
        return CameraAbsentError(f"{shown}: the certificate is not trusted ({why}); {remedy}")
    if not opening:
        return CameraAbsentError(f"{shown} broke the stream off; check the camera and the network")
    if kind in NOT_VIDEO or code == errno.EIO:
        return CameraAbsentError(
            f"{shown} answers, but not with a stream, a video or a picture; check the path in camera.source"
        )
    return CameraAbsentError(f"{shown} could not be opened: {_general(error)}")


def _refusals(where: CameraAddress) -> dict[str, str]:
    if where.has_credentials:
        access = "refuses the name or the password; check camera.username and the file that camera.password_file names"
    else:
        access = "asks for a name and a password; set camera.username and camera.password_file"
    return {
        "HTTPUnauthorizedError": access,
        "HTTPForbiddenError": access,
        "HTTPNotFoundError": "is not there (404); check the path in camera.source",
        "HTTPServerError": "answers with an error of its own (5xx); restart the camera, or look into its log",
    }


def _general(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or type(error).__name__)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        return "this user"
