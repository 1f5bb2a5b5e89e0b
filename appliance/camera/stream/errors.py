"""Convert libav errors to camera errors: one sentence with a remedy, and the state on the topic stats.

PyAV's exceptions are recognized by errno and class name, so that PyAV need not be imported here. Only the general
description in their text is used, because the rest may contain an address with a password.
"""

import errno
import getpass
from pathlib import Path

from appliance.camera.device_holder import find_device_holder
from appliance.camera.stream.address import CameraAddress
from appliance.camera.stream.v4l2 import describe_devices
from appliance.errors import CameraAbsentError, CameraBusyError, CameraError, CameraStalledError

TIMEOUTS = {"ExitError", "TimeoutError"}  # libav's own timeout, and the system's
NOT_VIDEO = {"InvalidDataError", "DemuxerNotFoundError", "DecoderNotFoundError", "PatchWelcomeError", "EOFError"}


class UnsupportedOptionsError(CameraAbsentError):
    """The device does not support the requested options; other options may work."""


def convert_file_error(error: Exception, path: Path, opening: bool) -> CameraError:
    """Return the camera error for a video file; `opening` distinguishes opening from reading."""
    name = type(error).__name__
    if isinstance(error, FileNotFoundError):
        return CameraAbsentError(f"{path} does not exist; check camera.source")
    if isinstance(error, PermissionError):
        return CameraAbsentError(f"{path} cannot be read by {_user_name()}; grant access with chmod or chown")
    if name in TIMEOUTS:
        return CameraStalledError(f"{path} could not be read in time; check the disk")
    if name in NOT_VIDEO and opening:
        return CameraAbsentError(f"{path} is not a video in a known format, or is damaged; check camera.source")
    return CameraAbsentError(f"{path} could not be read: {_general_description(error)}")


def convert_device_error(error: Exception, path: Path, opening: bool) -> CameraError:  # noqa: PLR0911 - one per cause
    """Return the camera error for a V4L2 device; `opening` distinguishes opening from reading."""
    code = getattr(error, "errno", None)
    if isinstance(error, FileNotFoundError):
        return CameraAbsentError(
            f"{path} does not exist; plug the camera in, or correct camera.source ({describe_devices()})"
        )
    if isinstance(error, PermissionError):
        user = _user_name()
        return CameraAbsentError(f"{path} cannot be opened by {user}; grant access with: sudo usermod -aG video {user}")
    if code == errno.EBUSY:
        holder = find_device_holder(str(path.resolve())) or "another program"
        return CameraBusyError(f"{path} is in use by {holder}; stop that program, or use another camera")
    if type(error).__name__ in TIMEOUTS:
        return CameraStalledError(f"{path} delivers no frames; unplug the camera and plug it in again")
    if opening and code == errno.EINVAL:
        return UnsupportedOptionsError(
            f"{path} offers no usable picture format; try another camera ({describe_devices()})"
        )
    if opening and code in (errno.ENOTTY, errno.ENODEV):
        return CameraAbsentError(
            f"{path} is not a camera, or is a camera's second device, which delivers no pictures;"
            f" correct camera.source ({describe_devices()})"
        )
    if code in (errno.ENODEV, errno.ENXIO, errno.EIO):
        return CameraAbsentError(f"{path} disappeared; check the camera's cable and power")
    return CameraAbsentError(f"{path} could not be {'opened' if opening else 'read'}: {_general_description(error)}")


def convert_address_error(error: Exception, address: CameraAddress, opening: bool) -> CameraError:
    """Return the camera error for a network camera or its server; `opening` distinguishes opening from reading."""
    name, display_url = type(error).__name__, address.display_url
    if name in TIMEOUTS:
        symptom = "does not answer in time" if opening else "stopped sending frames"
        return CameraStalledError(f"{display_url} {symptom}; check the camera and the network")
    if known_error := _convert_http_error(error, address) or _convert_network_error(error, address):
        return known_error
    if not opening:
        return CameraAbsentError(f"{display_url} interrupted the stream; check the camera and the network")
    if name in NOT_VIDEO:
        return CameraAbsentError(
            f"{display_url} sends data, but no stream, video or picture that can be decoded; check the path in"
            " camera.source"
        )
    if getattr(error, "errno", None) == errno.EIO:  # libav's error for every connection that ends early
        return CameraAbsentError(
            f"{display_url} ended the connection before a stream began; check the path in camera.source"
        )
    return CameraAbsentError(
        f"{display_url} could not be opened ({_general_description(error)}); check the path in camera.source"
    )


def _convert_http_error(error: Exception, address: CameraAddress) -> CameraError | None:
    """Return the camera error for an HTTP or RTSP status; None if the error is of another kind."""
    name, display_url = type(error).__name__, address.display_url
    if name == "HTTPTooManyRequestsError":
        return CameraBusyError(
            f"{display_url} serves too many other clients (429); disconnect some, or lower camera.fps"
        )
    if name in ("HTTPUnauthorizedError", "HTTPForbiddenError"):
        if address.has_credentials:
            fault = "rejects the user name or the password; check camera.username and the file in camera.password_file"
        else:
            fault = "requires a user name and a password; set camera.username and camera.password_file"
        return CameraAbsentError(f"{display_url} {fault}")
    if name == "HTTPNotFoundError":
        return CameraAbsentError(f"{display_url} does not exist (404); check the path in camera.source")
    if name == "HTTPServerError":
        return CameraAbsentError(
            f"{display_url} reports an internal error (5xx); restart the camera, or read the camera's log"
        )
    if name.startswith("HTTP"):  # libav does not keep the exact status of the others
        status = "400" if name == "HTTPBadRequestError" else "4xx"
        return CameraAbsentError(f"{display_url} rejects the request ({status}); check the path in camera.source")
    return None


def _convert_network_error(error: Exception, address: CameraAddress) -> CameraError | None:
    """Return the camera error for a failed connection; None if the error is of another kind."""
    if isinstance(error, ConnectionRefusedError):
        return CameraAbsentError(
            f"{address.display_url}: nothing listens on port {address.port} of {address.host};"
            " check that the camera is on and the port is correct"
        )
    if getattr(error, "errno", None) in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return CameraAbsentError(
            f"{address.display_url}: {address.host} cannot be reached; check the camera's cable and the network"
        )
    return None


def _general_description(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or type(error).__name__)


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        return "this user"
