"""Identify the board or the computer that the program runs on, for the device page of Home Assistant."""

from dataclasses import dataclass
from pathlib import Path

from appliance.system.foreign_text import clean_text

_DEVICE_TREE = Path("/sys/firmware/devicetree/base")
_DMI = Path("/sys/class/dmi/id")
_MAX_CHARACTERS = 64


@dataclass(frozen=True, slots=True)
class Board:
    """The board; an attribute is None if the machine does not reveal it.

    Attributes:
        manufacturer: The manufacturer, such as Raspberry Pi.
        model: The model, such as Raspberry Pi 5 Model B Rev 1.0.
        serial: The serial number.
    """

    manufacturer: str | None = None
    model: str | None = None
    serial: str | None = None


def read_board(device_tree: Path = _DEVICE_TREE, dmi: Path = _DMI) -> Board:
    """Return the board, from the device tree of ARM boards or from the DMI tables of PCs.

    Args:
        device_tree: The folder of the device tree.
        dmi: The folder of the DMI tables; its serial number is readable only by root and is not used.
    """
    if model := _read(device_tree / "model"):
        manufacturer = "Raspberry Pi" if model.startswith("Raspberry Pi") else None
        return Board(manufacturer, model, _read(device_tree / "serial-number"))
    return Board(_read(dmi / "sys_vendor"), _read(dmi / "product_name"))


def _read(file: Path) -> str | None:
    try:
        text = file.read_bytes()[:1024].decode(errors="replace")
    except OSError:
        return None
    return clean_text(text.rstrip("\0"), _MAX_CHARACTERS) or None
