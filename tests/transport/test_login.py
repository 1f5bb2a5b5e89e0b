"""Challenges of servers: which one is answered, and with what."""

import pytest

from appliance.transport.login import Challenge, Login, describe_schemes, parse_challenges


@pytest.mark.parametrize(
    ("header", "schemes"),
    [
        (
            'Digest realm="a, b", nonce="x", qop="auth,auth-int", algorithm=SHA-256, Basic realm="q"',
            ["digest", "basic"],
        ),
        ("Basic realm=x, Digest realm=y,nonce=z", ["basic", "digest"]),
        ("NTLM, Negotiate", ["ntlm", "negotiate"]),
        ("Basic", ["basic"]),
        ("", []),
        ("=,=;\0\n", []),
    ],
)
def test_joined_challenges_are_separated(header, schemes):
    assert [challenge.scheme for challenge in parse_challenges(header)] == schemes


def test_quoted_commas_and_quotes_belong_to_a_value():
    (challenge,) = parse_challenges('Digest realm="a, \\"b\\"", nonce=n')
    assert challenge == Challenge("digest", {"realm": 'a, "b"', "nonce": "n"})


def test_example_of_the_standard_is_answered(monkeypatch):
    # RFC 7616, 3.9.1
    monkeypatch.setattr("appliance.transport.login.secrets.token_hex", lambda size: CNONCE)
    parts = 'realm="http-auth@example.org", qop="auth, auth-int", nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"'
    parts += ', opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    for algorithm, response in (
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
    ):
        login = Login("Mufasa", "Circle of Life")
        assert login.accept_challenge(f"Digest {parts}, algorithm={algorithm}")
        assert f'response="{response}"' in login.make_header("GET", "/dir/index.html")


CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


def test_strongest_offer_is_taken_and_basic_only_without_digest():
    login = Login("u", "p")
    assert login.accept_challenge(
        'Basic realm="a", Digest realm="b", nonce="1", Digest realm="c", nonce="2", algorithm=SHA-256'
    )
    assert login.scheme == "digest" and "SHA-256" in login.make_header("GET", "/")
    login = Login("u", "p")
    assert login.accept_challenge('Digest realm="b", nonce="1", algorithm=UNKNOWN, Basic realm="a"')
    assert login.make_header("GET", "/") == "Basic dTpw"


def test_refused_answer_is_not_repeated():
    login = Login("u", "p")
    assert login.make_header("GET", "/") is None
    assert login.accept_challenge('Basic realm="a"') and not login.accept_challenge('Basic realm="a"')
    login = Login("u", "p")
    first = 'Digest realm="b", nonce="1"'
    assert login.accept_challenge(first) and not login.accept_challenge(first)
    assert login.accept_challenge('Digest realm="b", nonce="2"')  # the nonce had expired
    assert not Login("u", "p").accept_challenge("NTLM")


def test_offer_is_described_without_control_characters():
    assert describe_schemes('NTLM, Digest realm="a", algorithm=SHA3') == "ntlm, digest with sha3"
    assert "\x1b" not in describe_schemes('Digest algorithm="\x1b[31m"')
