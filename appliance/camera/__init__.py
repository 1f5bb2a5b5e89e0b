"""Frame sources: Pi cameras, USB and network cameras, video files, pictures and drawn scenes."""

from typing import TYPE_CHECKING, Any

from appliance.system.lazy import load_member

if TYPE_CHECKING:
    from appliance.camera.open import open_camera
    from appliance.camera.source import Camera, CameraState

__all__ = ["Camera", "CameraState", "open_camera"]

_MODULES = {"Camera": "source", "CameraState": "source", "open_camera": "open"}


def __getattr__(name: str) -> Any:
    return load_member(__name__, _MODULES, name)
