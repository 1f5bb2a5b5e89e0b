"""Find the file and line a setting came from."""

import re
from pathlib import Path


class SettingOrigin:
    """Says where a key stands: a variable's name, or the file and the line."""

    def __init__(self, path: Path | None, text: str):
        self.path = path
        self.variables: dict[str, str] = {}
        self._lines = text.splitlines()

    def of(self, name: str) -> str:
        if variable := self.variables.get(name):
            return variable
        # A key of a nested section (update.firebase.app_id) belongs to the section that its line stands in.
        section, _, key = name.rpartition(".") if name.count(".") == 2 else name.partition(".")
        if variable := next((v for n, v in self.variables.items() if not key and n.startswith(section + ".")), None):
            return variable
        line = self._line(section, key) or (self._line(*name.split(".", 1)) if "." in name else None)
        return f"{self.path}, line {line}" if line else str(self.path or "settings")

    def _line(self, section: str, key: str) -> int | None:
        """The first line that gives this key (or opens this section): tomllib keeps no positions."""
        current, opened = "", None
        parts = [rf"(?:{re.escape(part)}|\"{re.escape(part)}\"|'{re.escape(part)}')" for part in key.split(".")]
        quoted = r"\s*\.\s*".join(parts)
        for number, line in enumerate(self._lines, 1):
            if header := re.match(r"\s*\[\s*([^\[\]]+?)\s*\]", line):
                current = header[1].replace('"', "").replace("'", "")
                if current == section or current.startswith(section + "."):
                    opened = opened or number
                    if key and (current == f"{section}.{key}"):
                        return number
            elif (key and current == section and re.match(rf"\s*{quoted}\s*[.=]", line)) or (
                not current and re.match(rf"\s*{re.escape(section)}\s*(\.\s*{quoted}\s*)?[.=]", line)
            ):
                return number
        return opened
