"""Test set-up-broker in booted systems, beside Debian's own mosquitto.conf and package."""

import pytest

from support.machine import CACHE, Machine, missing, put_clone

pytestmark = pytest.mark.slow

SET_UP = "config/mosquitto/set-up-broker"
DROP_IN = "/etc/mosquitto/conf.d/appliance.conf"
HOME = "/etc/mosquitto/conf.d/home.conf"
FOLDER = "/etc/mosquitto/appliance"
LISTING = (
    "cd /etc/mosquitto; find . -type f -exec stat -c '%n %a %U %G' {} + | sort; find . -type f | sort | xargs md5sum"
)


@pytest.fixture(scope="module", params=["debian-bookworm", "debian-trixie"])
def broker_machine(request, tmp_path_factory):
    base = CACHE / request.param
    reason = missing() or (
        None if (base / ".complete").exists() else f"{base} is missing: scripts/install-test-tools --all"
    )
    if reason:
        pytest.skip(reason)
    machine = Machine(tmp_path_factory.mktemp("broker") / "machine", (base,))
    try:
        put_clone(machine)
        yield machine
    finally:
        machine.unmount()


@pytest.fixture
def clean(broker_machine):
    yield broker_machine
    broker_machine.run(f"rm -rf {FOLDER} {DROP_IN} {HOME} /etc/systemd/system/mosquitto.service.d")
    broker_machine.run("systemctl daemon-reload; systemctl reset-failed mosquitto; systemctl restart mosquitto")


def is_open(machine: Machine) -> bool:
    """Return whether anybody may publish on the port that Debian's own configuration opens."""
    return machine.run("systemctl is-active mosquitto && mosquitto_pub -t x -m x", check=False).returncode == 0


def refuse(machine: Machine, before: str, *arguments: str) -> str:
    """Return the output of a refused set-up, which must have changed nothing and left the broker running."""
    machine.run(before)
    listing, pid = machine.run(LISTING).stdout, machine.run("systemctl show -P MainPID mosquitto").stdout
    done = machine.run(f"{SET_UP} {' '.join(arguments or ('localhost',))}", check=False)
    assert done.returncode == 1, done.stdout
    assert machine.run(LISTING).stdout == listing
    assert machine.run("systemctl show -P MainPID mosquitto").stdout == pid
    machine.run("systemctl is-active mosquitto; ! ls /run | grep set-up-broker")
    return done.stdout


def test_broker_of_debian_runs_with_tls_and_is_undone(clean):
    listing = clean.run(LISTING).stdout
    said = clean.run(f"{SET_UP} broker.local localhost 192.168.1.5").stdout
    password = said.split("account viewer, password ")[1].split()[0]
    clean.run("systemctl is-active mosquitto; ! mosquitto_pub -t x -m x 2>/dev/null")
    publish = f"mosquitto_pub -h localhost -p 8883 --cafile {FOLDER}/ca.crt -q 1 -t appliance/viewer/x -m x"
    clean.run(f"{publish} -u viewer -P {password}; ! {publish} 2>/dev/null; ! {publish} -u viewer -P wrong 2>/dev/null")
    clean.run(f"config/mosquitto/make-certificates {FOLDER} device kitchen")
    clean.run(
        f"mosquitto_pub -h localhost -p 8884 --cafile {FOLDER}/ca.crt --cert {FOLDER}/kitchen.crt "
        f"--key {FOLDER}/kitchen.key -q 1 -t appliance/kitchen/x -m x"
    )
    before = clean.run(LISTING).stdout
    again = clean.run(f"{SET_UP} localhost").stdout
    assert "password" not in again.replace("with a password", "") and clean.run(LISTING).stdout == before

    assert "(--purge removes it too)" in clean.run(f"{SET_UP} --undo").stdout
    clean.run(f"test -e {FOLDER}/ca.key")
    assert is_open(clean)
    clean.run(f"{SET_UP} --undo --purge")
    assert clean.run(LISTING).stdout == listing and is_open(clean)
    assert "nothing to undo" in clean.run(f"{SET_UP} --undo --purge").stdout


def test_certificates_pass_the_strict_checks_of_python(clean):
    clean.run(f"{SET_UP} localhost")
    clean.run(
        """python3 - <<'END'
import socket, ssl
context = ssl.create_default_context(cafile="/etc/mosquitto/appliance/ca.crt")
context.verify_flags |= ssl.VERIFY_X509_STRICT
context.wrap_socket(socket.create_connection(("localhost", 8883)), server_hostname="localhost").close()
END"""
    )


def test_conflicting_drop_in_stops_set_up_before_a_change(clean):
    said = refuse(clean, f"echo 'persistence_location /x/' >{HOME}")
    assert "Duplicate persistence_location" in said and f"{HOME}:1" in said and "nothing was changed" in said
    assert f"port 8883 or 8884 is taken twice: {HOME}" in refuse(clean, f"echo 'listener 8884' >{HOME}")
    said = refuse(clean, f"printf 'listener 1884\nallow_anonymous true\n' >{HOME}")
    assert f"remove allow_anonymous true from {HOME}" in said
    assert "does not read /etc/mosquitto/conf.d" in refuse(
        clean, f"rm {HOME}; sed -i.saved '/^include_dir/d' /etc/mosquitto/mosquitto.conf"
    )
    clean.run("mv /etc/mosquitto/mosquitto.conf.saved /etc/mosquitto/mosquitto.conf")


def test_taken_port_and_wrong_names_change_nothing(clean):
    listen = "import socket, time; s = socket.create_server(('', 8884)); print('ready', flush=True); time.sleep(600)"
    clean.run(
        f'setsid python3 -c "{listen}" >/tmp/ready 2>&1 & echo $! >/tmp/pid; '
        "until grep ready /tmp/ready; do sleep .1; done"
    )
    assert "port 8884 is in use by another program" in refuse(clean, "true")
    clean.run("kill $(cat /tmp/pid)")
    assert "neither a host name nor an address" in refuse(clean, "true", "'broker local'")
    clean.run(f"{SET_UP} localhost")
    assert "is not for broker.local" in refuse(clean, "true", "broker.local")


def test_broker_that_does_not_come_up_is_put_back(clean):
    listing = clean.run(LISTING).stdout
    drop_in = "/etc/systemd/system/mosquitto.service.d/x.conf"
    clean.write(drop_in, f"[Service]\nInaccessiblePaths=-{FOLDER}\n")
    clean.run("systemctl daemon-reload")
    done = clean.run(f"{SET_UP} localhost", check=False)
    assert done.returncode == 1 and "mosquitto runs again as before" in done.stdout, done.stdout
    assert "Unable to open pwfile" in done.stdout and "account viewer" not in done.stdout
    assert clean.run(LISTING).stdout == listing and is_open(clean)


def test_broker_that_systemd_gave_up_on_is_set_up(clean):
    """As after a configuration with which it could not start."""
    clean.run("for n in 1 2 3 4 5 6 7; do systemctl restart mosquitto; done", check=False)
    assert clean.run("systemctl show -P Result mosquitto").stdout.strip() == "start-limit-hit"
    assert "mosquitto runs with it" in clean.run(f"{SET_UP} localhost").stdout


def test_interrupted_set_up_is_put_back(clean):
    listing = clean.run(LISTING).stdout
    # A broker that needs long to start: the signal arrives after the files were replaced.
    clean.write(
        "/etc/systemd/system/mosquitto.service.d/x.conf",
        f"[Service]\nExecStartPre=/bin/sh -c 'test ! -e {DROP_IN} || sleep 5'\n",
    )
    clean.run("systemctl daemon-reload")
    said = clean.run(
        f"setsid {SET_UP} localhost >/tmp/said 2>&1 & pid=$!; until test -e {DROP_IN}; do sleep .1; done; "
        "kill -TERM $pid; wait $pid; echo status $?; cat /tmp/said"
    ).stdout
    assert "status 143" in said and "mosquitto runs again as before" in said
    assert clean.run(LISTING).stdout == listing and is_open(clean)


def test_authority_of_an_earlier_version_gets_the_key_usage(clean):
    make = "openssl req -x509 -key ca.key -noenc -days 99 -subj '/CN=Camera appliance authority' -out ca.crt"
    clean.run(f"{SET_UP} localhost; config/mosquitto/make-certificates {FOLDER} device kitchen")
    clean.run(f"cd {FOLDER}; rm ca.crt; {make}")
    assert "keyUsage" in clean.run(f"{SET_UP} localhost").stdout
    clean.run(f"cd {FOLDER}; openssl verify -x509_strict -CAfile ca.crt server.crt kitchen.crt")
