"""Sign in and out, as a browser does."""

from support.broker import wait_until
from support.web import WebClient, WebDevice


def sign_in(client, code, **headers):
    return client.send("POST", "/api/session", {"code": code}, {"Origin": client.origin, **headers})


def test_link_signs_in_with_a_strict_cookie(device):
    client = device.anonymous()
    answer = sign_in(client, device.access.make_code())
    cookie = answer.headers["set-cookie"]
    assert answer.status == 204 and cookie.startswith("appliance_t=")
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Path=/" in cookie and "Secure" not in cookie
    signed_in = client.get("/api/session", Cookie=cookie.partition(";")[0])
    assert signed_in.json == {"scope": "admin", "device": "Kitchen"}


def test_cookie_is_prolonged_when_the_page_is_opened(device, admin):
    """Else the browser would drop it 30 days after the sign-in, however often the page is used."""
    browser = device.browser()
    renewed = browser.get("/api/session").headers["set-cookie"]
    assert renewed.startswith(f"{browser.headers['Cookie']};") and "Max-Age=2592000" in renewed
    assert "HttpOnly" in renewed and "SameSite=strict" in renewed
    assert "set-cookie" not in admin.get("/api/session").headers, "a token is no session"


def test_cookie_behind_a_proxy_with_tls_stays_secure(tmp_path):
    with WebDevice(tmp_path, public_url="https://cam.example") as device:
        client = WebClient(device.port, {"Host": "cam.example", "Origin": "https://cam.example"})
        signed_in = client.send("POST", "/api/session", {"code": device.access.make_code()})
        cookie = signed_in.headers["set-cookie"]
        reading = WebClient(device.port, {"Host": "cam.example", "Cookie": cookie.partition(";")[0]})
        assert "Secure" in cookie and "Secure" in reading.get("/api/session").headers["set-cookie"]


def test_cookie_is_found_among_malformed_ones_of_other_programs(device):
    browser = device.browser()
    cookie = browser.headers["Cookie"]
    assert browser.get("/api/session", Cookie=f"a=b; [x]={{y; {cookie}; z").status == 200


def test_used_link_says_how_to_get_another(device):
    code = device.access.make_code()
    assert sign_in(device.anonymous(), code).status == 204
    answer = sign_in(device.anonymous(), code)
    assert answer.status == 401 and "sudo appliance web" in answer.error


def test_sign_out_ends_the_session_and_its_streams(device):
    browser = device.browser()
    connection = browser.connect()
    connection.request("GET", "/api/labels", headers=browser.headers)
    stream = connection.getresponse()
    stream.read(10)
    assert browser.send("DELETE", "/api/session").status == 204
    assert browser.get("/api/status").status == 401
    stream.read()  # until the end, which comes at once
    connection.close()
    wait_until(lambda: device.service.page.viewers == 0, "the stream ended")


def test_sign_out_everywhere_ends_all_sessions_but_no_token(device, admin):
    browsers = [device.browser(), device.browser()]
    assert browsers[0].send("DELETE", "/api/sessions").status == 204
    assert [each.get("/api/status").status for each in browsers] == [401, 401]
    assert admin.get("/api/status").status == 200


def test_hundred_wrong_sign_ins_lock_the_address_but_not_a_token(device, admin):
    statuses = [sign_in(device.anonymous(), f"wrong-{number}").status for number in range(100)]
    assert statuses[0] == 401 and statuses.count(401) <= 10 and statuses[-1] == 429
    answer = device.anonymous().get("/api/status", Authorization="Bearer wrong")
    assert answer.status == 429 and answer.headers["retry-after"]
    assert admin.get("/api/status").status == 200
    # A code is not lost by an attempt that is refused.
    code = device.access.make_code()
    assert sign_in(device.anonymous(), code).status == 429
    assert device.access.redeem_code(code)
