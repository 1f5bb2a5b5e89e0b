"""Find the variable, or the file and the line, that a setting comes from."""

import re
from pathlib import Path


class SettingOrigin:
    """The origin of each setting, for error messages.

    Attributes:
        path: The settings file; None if there is none.
        variables: Setting (`section.key`) → the environment variable that overrides it.
    """

    def __init__(self, path: Path | None, text: str):
        self.path = path
        self.variables: dict[str, str] = {}
        self._lines = text.splitlines()

    def locate(self, name: str) -> str:
        """Return the variable, or the file and line, of a setting or a section, for example `a.toml, line 3`."""
        if variable := self.variables.get(name):
            return variable
        # A key of a nested section (update.firebase.app_id) belongs to the section that contains its line.
        section, _, key = name.rpartition(".") if name.count(".") == 2 else name.partition(".")
        if not key:
            for setting, variable in self.variables.items():
                if setting.startswith(f"{section}."):
                    return variable
        line = self._find_line(section, key) or (self._find_line(*name.split(".", 1)) if "." in name else None)
        return f"{self.path}, line {line}" if line else str(self.path or "settings")

    def _find_line(self, section: str, key: str) -> int | None:
        """Return the number of the first line that sets the key, or else of the line that opens its section.

        The text is searched, because tomllib does not keep positions.
        """
        current, opened = "", None
        parts = [rf"(?:{re.escape(part)}|\"{re.escape(part)}\"|'{re.escape(part)}')" for part in key.split(".")]
        quoted = r"\s*\.\s*".join(parts)
        for number, line in enumerate(self._lines, 1):
            if header := re.match(r"\s*\[\s*([^\[\]]+?)\s*\]", line):
                current = header[1].replace('"', "").replace("'", "")
                if current == section or current.startswith(section + "."):
                    opened = opened or number
                    if key and current == f"{section}.{key}":
                        return number
            elif (key and current == section and re.match(rf"\s*{quoted}\s*[.=]", line)) or (
                not current and re.match(rf"\s*{re.escape(section)}\s*(\.\s*{quoted}\s*)?[.=]", line)
            ):
                return number
        return opened
