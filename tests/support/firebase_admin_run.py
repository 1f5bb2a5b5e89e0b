"""`appliance …` with Google's Admin SDK speaking to a server on this machine: python firebase_admin_run.py URL
ARGUMENT…

The SDK has Google's addresses built in, and one of its parts looks something up at Google in the background; both are
turned here, in a process of its own.
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

# What it looks up in the background it would try again and again.
_regional_access_boundary_utils._RegionalAccessBoundaryRefreshThread.run = lambda thread: None

_asked = socket.getaddrinfo


def _here_alone(host, *arguments, **options):
    """Nothing but this machine is found."""
    if host not in ("127.0.0.1", "localhost"):
        raise socket.gaierror(socket.EAI_NONAME, f"{host} is not to be asked in a test")
    return _asked(host, *arguments, **options)


socket.getaddrinfo = _here_alone
sys.argv = ["appliance", *sys.argv[2:]]
sys.exit(main())
