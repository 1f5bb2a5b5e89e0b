"""The session with a camera: login, certificates, and the sentence for each fault."""

import ssl

import pytest

from appliance.camera.source import CameraState
from appliance.transport.trust import fetch_fingerprint
from support.broker import Certificates
from support.digest import DigestGuard
from support.streams import PASSWORD, RED, basic, has_color, jpeg, open_source, opening_error, plain, tls_camera

JPEG = jpeg(plain(RED, 64, 48))


@pytest.mark.parametrize("options", [{}, {"qop": None}, {"algorithm": "SHA-256"}, {"algorithm": "MD5-sess"}])
def test_digest_challenge_is_answered_once_for_many_frames(web, password_file, options):
    guard = DigestGuard("viewer", PASSWORD, **options)
    web.pages["/shot"] = guard.protect(lambda handler: handler.give(JPEG, "image/jpeg"))
    camera = open_source(web.url + "/shot?a=1&b=%20", username="viewer", password_file=password_file)
    for _ in range(10):
        assert has_color(camera.read(), RED)
    camera.close()
    assert guard.challenges == 1 and guard.granted == 10
    assert "rejects the user name" in str(opening_error(web.url + "/shot", username="another"))


def test_expired_nonce_is_renewed_without_losing_a_frame(web, password_file):
    guard = DigestGuard("viewer", PASSWORD, uses=4)
    web.pages["/shot"] = guard.protect(lambda handler: handler.give(JPEG, "image/jpeg"))
    camera = open_source(web.url + "/shot", username="viewer", password_file=password_file)
    for _ in range(12):
        assert camera.read() is not None
    camera.close()
    assert guard.challenges == 3


def test_reopened_camera_continues_its_session(web, password_file):
    guard = DigestGuard("viewer", PASSWORD)
    cookies = []

    def page(handler):
        cookies.append(handler.headers.get("Cookie"))
        handler.send_response(200)
        if cookies[-1] is None:
            handler.send_header("Set-Cookie", f"session={len(cookies)}")
        handler.end_headers()
        handler.wfile.write(JPEG)

    web.pages["/shot"] = guard.protect(page)
    for _ in range(5):
        camera = open_source(web.url + "/shot", username="viewer", password_file=password_file)
        assert camera.read() is not None
        camera.close()
    assert guard.challenges == 1 and cookies == [None] + ["session=1"] * 4


def test_user_without_a_password_sends_an_empty_one(web):
    sent = []

    def page(handler):
        sent.append(handler.headers.get("Authorization"))
        if sent[-1] == basic("viewer", ""):
            return handler.give(JPEG, "image/jpeg")
        handler.send_response(401)
        handler.send_header("WWW-Authenticate", 'Basic realm="cam"')
        return handler.end_headers()

    web.pages["/shot"] = page
    camera = open_source(web.url + "/shot", username="viewer")
    assert has_color(camera.read(), RED)
    camera.close()
    assert sent[0] is None  # the password is sent only when it is asked for


def test_unknown_form_of_login_is_named(web, password_file):
    def page(handler):
        handler.send_response(401)
        handler.send_header("WWW-Authenticate", "NTLM")
        handler.end_headers()

    web.pages["/shot"] = page
    error = str(opening_error(web.url + "/shot", username="viewer", password_file=password_file))
    assert "ntlm" in error and "Digest or Basic" in error


def test_login_is_not_sent_to_another_host(web, password_file):
    sent = []

    def page(handler):
        sent.append((handler.headers["Host"], handler.headers.get("Authorization")))
        if handler.path == "/shot" and sent[-1][1] is None:
            handler.send_response(401)
            handler.send_header("WWW-Authenticate", 'Basic realm="cam"')
        elif handler.path == "/shot":
            handler.send_response(302)
            handler.send_header("Location", f"http://localhost:{web.server_port}/other")
        else:
            handler.send_response(401)
            handler.send_header("WWW-Authenticate", 'Basic realm="cam"')
        handler.end_headers()

    web.pages |= {"/shot": page, "/other": page}
    opening_error(web.url + "/shot", username="viewer", password_file=password_file)
    assert [value for host, value in sent if host.startswith("localhost")] == [None]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("pki"))


def test_unknown_authority_is_the_reason_and_the_fingerprint_works(authority):
    with tls_camera(*authority.sign("server"), JPEG) as url:
        error = opening_error(url)
        assert CameraState.from_error(error) == "absent"
        assert "authority that this system trusts" in str(error) and "set camera.ca_file" in str(error)
        fingerprint = str(error).partition('tls_fingerprint = "')[2].partition('"')[0]
        for written in (fingerprint, fingerprint.replace(":", "").lower()):
            camera = open_source(url, tls_fingerprint=written)
            assert has_color(camera.read(), RED)
            camera.close()
        assert "not the one with the fingerprint" in str(opening_error(url, tls_fingerprint="ab" * 32))
        camera = open_source(url, ca_file=authority.ca_file)
        assert has_color(camera.read(), RED)
        camera.close()


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"days": -1}, "has expired; renew it"), ({"hosts": ("DNS:other.example",)}, "was not issued for localhost")],
)
def test_advice_follows_the_reason(authority, options, reason):
    cert, key = authority.sign(f"bad{len(reason)}", **options)
    with tls_camera(cert, key, JPEG) as url:
        error = str(opening_error(url, ca_file=authority.ca_file))
        assert reason in error and "ca-certificates" not in error
        camera = open_source(url, tls_fingerprint=error.partition('tls_fingerprint = "')[2].partition('"')[0])
        assert has_color(camera.read(), RED)
        camera.close()


def test_camera_without_tls_on_the_port_is_named(web):
    error = str(opening_error(web.url.replace("http:", "https:") + "/shot"))
    assert "does not use TLS on this port" in error


def test_fingerprint_of_a_server_without_tls_is_none(web):
    assert fetch_fingerprint("127.0.0.1", web.server_port) is None
    assert ssl.OPENSSL_VERSION
