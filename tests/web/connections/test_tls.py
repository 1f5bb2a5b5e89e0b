"""The certificate of the page."""

import pytest

from appliance.errors import WebError
from appliance.settings.schema import WebSettings
from appliance.web.connections.tls import load_certificate


def test_files_that_are_no_certificate_name_their_settings(tmp_path):
    assert load_certificate(WebSettings()) is None
    file = tmp_path / "file"
    for text in (None, "no certificate"):
        if text is not None:
            file.write_text(text)
        with pytest.raises(WebError, match=r"web\.cert_file and web\.key_file"):
            load_certificate(WebSettings(cert_file=file, key_file=file))
