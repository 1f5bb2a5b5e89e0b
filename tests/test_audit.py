"""The check of the locks for published vulnerabilities."""

import http.server
import json
import shutil
import subprocess
import sys
import threading

import pytest

from support.paths import CHILD_ENVIRONMENT, ROOT

AUDIT = ROOT / "scripts/lib/audit.py"
LIST = """
source = "a test"
checked = 2026-11-01
[[advisory]]
id = "CVE-1"
package = "good-package"
affected = "<2"
{more}
"""


def audit(*arguments):
    done = subprocess.run(
        [sys.executable, AUDIT, *map(str, arguments)], env=CHILD_ENVIRONMENT, capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def locks(tmp_path):
    def write(version, more=""):
        (tmp_path / "py311.txt").write_text(
            f"Good.Package=={version} ; python_version < '3.12' \\\n    --hash=sha256:0\n"
        )
        (tmp_path / "advisories.toml").write_text(LIST.format(more=more))
        return "--locks", tmp_path, "--today", "2026-11-02"

    return write


def test_locks_of_the_project_have_no_listed_vulnerability():
    assert audit() == (0, audit()[1]) and "nothing found" in audit()[1]


def test_opencv_of_every_lock_is_fixed(tmp_path):
    """The one lock whose numpy held it back had a version with a known vulnerability."""
    shutil.copytree(ROOT / "scripts/locks", tmp_path / "locks")
    lock = tmp_path / "locks/py311-numpy1.txt"
    version = lock.read_text().split("opencv-python-headless==")[1].split()[0]
    lock.write_text(lock.read_text().replace(f"headless=={version}", "headless==4.11.0.86"))
    status, said = audit("--locks", tmp_path / "locks")
    assert status == 1 and "py311-numpy1.txt: opencv-python-headless 4.11.0.86 is affected by CVE-2025-53644" in said


def test_affected_version_and_old_list_fail(locks):
    assert audit(*locks("2.0"))[0] == 0
    status, said = audit(*locks("1.9"))
    assert status == 1 and "good-package 1.9 is affected by CVE-1" in said
    assert audit(*locks("1.9", 'accepted = "no fixed version exists"'))[0] == 0
    status, said = audit(*locks("2.0")[:2], "--today", "2026-12-15")
    assert status == 0 and "warning: the list is 44 days old" in said
    status, said = audit(*locks("2.0")[:2], "--today", "2027-06-01")
    assert status == 1 and "days old" in said


class Database(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        queries = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
        results = [
            {"vulns": [{"id": "GHSA-2"}]} if query["package"]["name"] == "good-package" else {} for query in queries
        ]
        body = json.dumps({"results": results}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_database_is_asked_about_every_locked_version(locks):
    with http.server.HTTPServer(("127.0.0.1", 0), Database) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        database = "--online", "--database", f"http://127.0.0.1:{server.server_port}/"
        status, said = audit(*locks("2.0"), *database)
        assert status == 1 and "good-package 2.0 is affected by GHSA-2" in said
        more = '[[advisory]]\nid = "GHSA-2"\npackage = "good-package"\naffected = "==2"\naccepted = "not used here"'
        assert audit(*locks("2.0", more), *database)[0] == 0
        server.shutdown()
    status, said = audit(*locks("2.0"), "--online", "--database", "http://127.0.0.1:1/")
    assert status == 2 and "cannot be asked" in said
    status, said = audit(*locks("1.9"), "--online", "--database", "http://127.0.0.1:1/")
    assert status == 1 and "cannot be asked" in said and "CVE-1" in said
