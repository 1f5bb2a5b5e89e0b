"""Run `appliance …` with Google's Admin SDK against a local server: python firebase_admin_run.py URL ARGUMENT…

Google's addresses are built into the SDK, and one of its parts queries Google in the background; both are redirected
here, in a separate process.
"""

import socket
import sys

from firebase_admin import ml
from google.auth import _regional_access_boundary_utils

from appliance.__main__ import main

url = sys.argv[1].rstrip("/")
ml._MLService.PROJECT_URL = url + "/v1beta2/projects/{0}/"
ml._MLService.OPERATION_URL = url + "/v1beta2/"
ml._MLService.POLL_BASE_WAIT_TIME_SECONDS = 0.01

# Disable the lookup in the background, because it would be retried over and over.
_regional_access_boundary_utils._RegionalAccessBoundaryRefreshThread.run = lambda thread: None

_asked = socket.getaddrinfo


def _here_alone(host, *arguments, **options):
    """Resolve only names of this machine."""
    if host not in ("127.0.0.1", "localhost"):
        raise socket.gaierror(socket.EAI_NONAME, f"{host} is not to be asked in a test")
    return _asked(host, *arguments, **options)


socket.getaddrinfo = _here_alone
sys.argv = ["appliance", *sys.argv[2:]]
sys.exit(main())
