"""The state and runtime folders, and who owns them."""

import os
import pickle

import pytest

from appliance.errors import StatePathError
from appliance.system.atomic_files import write_durably
from appliance.system.paths import (
    ensure_runtime_dir,
    ensure_state_dir,
    find_control_socket,
    find_instance_state,
    find_state_dir,
    find_unit,
)

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another account")


def as_nobody(call):
    """Return what `call` returns, or the error that it raises, in a process of an unprivileged account."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            answer = call()
        except Exception as error:  # noqa: BLE001 - passed to the parent
            answer = error
        os.write(writing, pickle.dumps(answer))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pickle.loads(pipe.read())
    os.waitpid(child, 0)
    return answer


def mode(path):
    return path.stat().st_mode & 0o777


def test_own_variable_beats_systemds(tmp_path):
    environ = {"APPLIANCE_STATE_DIR": str(tmp_path / "own/state"), "STATE_DIRECTORY": str(tmp_path / "systemd")}
    assert ensure_state_dir(environ) == tmp_path / "own/state"
    assert mode(tmp_path / "own/state") == 0o750
    assert not (tmp_path / "systemd").exists()


def test_the_first_of_systemds_folders_is_taken(tmp_path):
    assert ensure_state_dir({"STATE_DIRECTORY": f"{tmp_path}/a:{tmp_path}/b"}) == tmp_path / "a"
    assert ensure_runtime_dir({"RUNTIME_DIRECTORY": f"{tmp_path}/r:{tmp_path}/q"}) == tmp_path / "r"


def test_the_installed_appliances_folder_where_it_can_be_written(tmp_path):
    assert ensure_state_dir({"HOME": str(tmp_path)}, system=tmp_path / "lib") == tmp_path / "lib"


@pytest.mark.parametrize(
    ("xdg", "expected"), [(None, "home/.local/state/appliance"), ("x", "x/appliance"), ("relative", None)]
)
def test_account_has_a_state_folder_of_its_own(tmp_path, xdg, expected):
    environ = {"HOME": str(tmp_path / "home")}
    if xdg == "relative":
        environ["XDG_STATE_HOME"], expected = "not/absolute", "home/.local/state/appliance"
    elif xdg:
        environ["XDG_STATE_HOME"] = str(tmp_path / xdg)
    assert ensure_state_dir(environ, system=tmp_path / "missing/lib/appliance") == tmp_path / expected


@needs_root
def test_an_account_that_may_not_write_the_installed_state_uses_its_own(open_folder):
    system, home = open_folder / "lib", open_folder / "home"
    system.mkdir()
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    assert as_nobody(lambda: ensure_state_dir({"HOME": str(home)}, system=system)) == home / ".local/state/appliance"
    assert (home / ".local/state/appliance").stat().st_uid == NOBODY


@needs_root
def test_unusable_folder_is_an_error_with_the_variable(open_folder):
    (open_folder / "closed").mkdir()
    for place in ("new", "closed"):
        error = as_nobody(lambda place=place: ensure_state_dir({"APPLIANCE_STATE_DIR": str(open_folder / place)}))
        assert isinstance(error, StatePathError)
        assert str(open_folder / place) in str(error) and "APPLIANCE_STATE_DIR" in str(error)


def test_file_in_the_folders_place_is_an_error(tmp_path):
    (tmp_path / "state").write_text("")
    with pytest.raises(StatePathError, match=r"state cannot be created: File exists"):
        ensure_state_dir({"APPLIANCE_STATE_DIR": str(tmp_path / "state")})


def test_run_time_folder_follows_the_state_folder(tmp_path):
    system, runtime = tmp_path / "lib", tmp_path / "run"
    assert ensure_runtime_dir({}, system, runtime) == runtime
    own = {"APPLIANCE_STATE_DIR": str(tmp_path / "own")}
    assert ensure_runtime_dir(own, system, runtime) == tmp_path / "own/run"


def test_command_finds_the_installed_daemon(tmp_path):
    system, runtime = tmp_path / "no/lib", tmp_path / "run"
    runtime.mkdir()
    home = {"HOME": str(tmp_path / "home")}
    assert find_control_socket(home, system, runtime) == tmp_path / "home/.local/state/appliance/run/control.sock"
    assert not (tmp_path / "home").exists(), "looking for a daemon makes no folders"
    (runtime / "control.sock").touch()
    assert find_control_socket(home, system, runtime) == runtime / "control.sock"
    own = {"APPLIANCE_STATE_DIR": str(tmp_path / "own")}
    assert find_control_socket(own, system, runtime) == tmp_path / "own/run/control.sock"


def test_settings_of_a_further_camera_select_its_service(tmp_path):
    system, runtime, etc = tmp_path / "lib/appliance", tmp_path / "run/appliance", tmp_path / "etc"
    (tmp_path / "lib/appliance-garden").mkdir(parents=True)
    places = {"system": system, "settings": etc}
    state = find_instance_state(etc / "garden.toml", {}, **places)
    assert state == tmp_path / "lib/appliance-garden"
    environ = {"APPLIANCE_STATE_DIR": str(state)}
    assert find_control_socket(environ, system, runtime, ()) == tmp_path / "run/appliance-garden/control.sock"
    for other in (None, etc / "appliance.toml", etc / "none.toml", tmp_path / "garden.toml", etc / "garden"):
        assert find_instance_state(other, {}, **places) is None
    assert find_instance_state(etc / "garden.toml", {"STATE_DIRECTORY": "/x"}, **places) is None


def test_unit_is_named_only_for_the_folder_of_an_installed_service(tmp_path):
    system, unit = tmp_path / "appliance", tmp_path / "appliance.service"
    system.mkdir()
    for folder, expected in ((system, "appliance"), (tmp_path / "appliance-garden", "appliance@garden")):
        unit.touch()
        assert find_unit({"STATE_DIRECTORY": str(folder)}, system, [unit]) == expected
    assert find_unit({"APPLIANCE_STATE_DIR": str(tmp_path / "trial")}, system, [unit]) is None
    unit.unlink()
    assert find_unit({}, system, [unit]) is None, "an advice to start a service that is not there"


def test_daemon_and_command_use_the_same_socket(tmp_path):
    for variable in ("APPLIANCE_STATE_DIR", "RUNTIME_DIRECTORY", "HOME"):
        environ = {variable: str(tmp_path / variable)}
        places = {"system": tmp_path / "no/lib", "runtime": tmp_path / "no/run"}
        assert find_control_socket(environ, **places).parent == ensure_runtime_dir(environ, **places)


@needs_root
def test_files_of_root_belong_to_the_folders_owner(open_folder):
    os.chown(open_folder, NOBODY, 12345)
    made = ensure_state_dir({"APPLIANCE_STATE_DIR": str(open_folder / "state")})
    write_durably(made / "file", b"x")
    for path in (made, made / "file"):
        assert (path.stat().st_uid, path.stat().st_gid) == (NOBODY, 12345), path


@pytest.fixture
def installed(open_folder):
    """Return the arguments for a device with an installed service that no other account may read."""
    system, runtime, unit = open_folder / "lib", open_folder / "run", open_folder / "appliance.service"
    for folder in (system, runtime):
        folder.mkdir()
        folder.chmod(0o750)
        os.chown(folder, 0, 12)
    unit.touch()
    return {"system": system, "units": [unit]}


@needs_root
def test_account_without_access_to_the_installed_service_is_refused(installed, open_folder):
    home = {"HOME": str(open_folder / "home")}
    for find in (find_state_dir, ensure_state_dir):
        error = as_nobody(lambda find=find: find(home, **installed))
        assert isinstance(error, StatePathError)
        assert str(open_folder / "lib") in str(error) and "sudo" in str(error)
    assert "sudo usermod -aG man $USER" in str(as_nobody(lambda: find_state_dir(home, **installed)))
    assert not (open_folder / "home").exists(), "nothing falls back to a private folder"
    socket = as_nobody(lambda: find_control_socket(home, runtime=open_folder / "run", **installed))
    assert socket == open_folder / "run/control.sock"


@needs_root
def test_members_of_the_group_may_read_and_not_write(installed, open_folder):
    os.chown(open_folder / "lib", 0, NOBODY)
    assert as_nobody(lambda: find_state_dir({}, **installed)) == open_folder / "lib"
    error = as_nobody(lambda: ensure_state_dir({}, **installed))
    assert "sudo" in str(error) and "usermod" not in str(error)


def test_service_that_never_ran_has_no_state_yet(tmp_path):
    (tmp_path / "appliance.service").touch()
    units = [tmp_path / "appliance.service"]
    assert find_state_dir({"HOME": "/x"}, tmp_path / "no/lib", units) == tmp_path / "no/lib"
    socket = find_control_socket({"HOME": "/x"}, tmp_path / "no/lib", tmp_path / "no/run", units)
    assert socket == tmp_path / "no/run/control.sock"


def test_state_for_reading_creates_nothing(tmp_path):
    environ = {"APPLIANCE_STATE_DIR": str(tmp_path / "state")}
    assert find_state_dir(environ) == tmp_path / "state"
    assert not (tmp_path / "state").exists()
    assert find_state_dir({"APPLIANCE_STATE_DIR": str(tmp_path)}) == tmp_path
