"""Write web.cert_file and web.key_file into a settings file: set_certificate.py SETTINGS CERTIFICATE KEY."""

import sys
from pathlib import Path

from appliance.settings.edit import set_value

path, certificate, key = (Path(argument) for argument in sys.argv[1:])
text = path.read_text(encoding="utf-8")
changed = set_value(set_value(text, "web", "cert_file", f'"{certificate}"'), "web", "key_file", f'"{key}"')
if changed != text:
    new = path.with_name(f"{path.name}.new")
    new.write_text(changed, encoding="utf-8")
    new.chmod(path.stat().st_mode & 0o777)
    new.replace(path)
