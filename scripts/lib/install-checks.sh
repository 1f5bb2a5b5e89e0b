# Sourced by install.sh: what must hold before anything is changed, each with a sentence where it does not.

PYTHON=/usr/bin/python3
RELEASE_MB=700  # a release and the wheels it is made from, with some room

check_machine() {
  [ "$(uname -s)" = Linux ] || die "this is $(uname -s): the appliance runs on Linux"
  [ "$(id -u)" = 0 ] || die "this needs root: sudo $0"
  command -v apt-get >/dev/null || die "there is no apt-get: Raspberry Pi OS or Debian is needed (Bookworm or Trixie)"
  if [ -n "$START" ] && [ ! -d /run/systemd/system ]; then
    die "systemd does not run here, and the appliance is a systemd service; in a container or an image use --no-start, or run it yourself: appliance run"
  fi
  command -v systemctl >/dev/null || die "systemctl is missing: the appliance is a systemd service; install systemd"
  [ -x "$PYTHON" ] || step "install from apt: python3" apt_install python3 || die "Python is missing and could not be installed: apt-get install python3 python3-venv"
  check_bits
  local version
  version=$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  case $version in
    3.11 | 3.12 | 3.13) ;;
    2.* | 3.? | 3.10) die "Python $version is too old: 3.11 or 3.13 is needed, as in Raspberry Pi OS Bookworm or Trixie; upgrade the system" ;;
    *) die "Python $version is newer than this version of the appliance knows: 3.11 to 3.13 will do; see whether there is a newer version" ;;
  esac
  PYTHON_VERSION=$version
  [ -z "$WHEELS" ] || [ -d "$WHEELS" ] || die "$WHEELS is not a folder; scripts/wheels makes it"
  [ -z "$ROOT_FILE" ] || check_root_file
}

# A 64-bit kernel says nothing: Raspberry Pi OS (32-bit) runs on one too, with programs of 32 bits.
check_bits() {
  local system machine
  system=$("$PYTHON" -c 'import struct; print(8 * struct.calcsize("P"))')
  machine=$(uname -m)
  if [ "$system" != 64 ]; then
    case $machine in
      aarch64 | x86_64) die "this is a 32-bit system under a 64-bit kernel ($machine): the TFLite runtime exists for 64-bit systems only; write Raspberry Pi OS (64-bit) onto the card" ;;
      *) die "this is a 32-bit system ($machine): the TFLite runtime exists for 64-bit systems only; take a Pi 3, Zero 2 W or newer with Raspberry Pi OS (64-bit)" ;;
    esac
  fi
  case $machine in
    aarch64 | x86_64) ;;
    *) die "this machine is a $machine: the appliance runs on aarch64 and x86_64" ;;
  esac
}

check_root_file() {
  "$PYTHON" - "$ROOT_FILE" <<'PYTHON' || die "$ROOT_FILE is not the root.json of an update repository; \`appliance publish init\` makes one (metadata/1.root.json)"
import json, sys
try:
    signed = json.load(open(sys.argv[1], encoding="utf-8"))["signed"]
    sys.exit(signed["_type"] != "root" or not signed["keys"])
except (OSError, ValueError, KeyError, TypeError):
    sys.exit(1)
PYTHON
}

check_space() {
  [ ! -e "$RELEASES/$RELEASE/.complete" ] || return 0
  local folder=$PREFIX free
  while [ ! -d "$folder" ]; do folder=$(dirname "$folder"); done
  free=$(df -Pm "$folder" | awk 'NR == 2 {print $4}')
  [ "$free" -ge "$RELEASE_MB" ] || die "only $free MB are free for $PREFIX, and a release needs $RELEASE_MB MB; make room (for example: sudo apt-get clean), then run this again"
}

installed() { [ "$(dpkg-query -W -f '${Status}' "$1" 2>/dev/null)" = "install ok installed" ]; }
# Not grep -q: it ends at the first match, and with pipefail the one that is still writing would count as failed.
available() { apt-cache policy "$1" 2>/dev/null | grep '^  Candidate: [^(]' >/dev/null; }

apt_install() {
  local log
  log=$(mktemp)
  if ! DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}

install_packages() {
  local needed=() package
  for package in python3-venv ca-certificates; do
    if installed "$package"; then already "the package $package is installed"; else needed+=("$package"); fi
  done
  # With wheels from a folder there is no network to count on, so apt's lists are taken as they are.
  if [ -z "$WHEELS" ] && { [ ${#needed[@]} -gt 0 ] || ! installed python3-picamera2; } && lists_are_old; then
    step "fetch apt's lists of packages" apt-get update -qq --error-on=any ||
      die "apt's lists could not be fetched: is there a network? (ping deb.debian.org; without one, give a folder of wheels: --wheels DIR)"
  fi
  if installed python3-picamera2; then
    already "the package python3-picamera2 is installed"
  elif available python3-picamera2; then
    needed+=(python3-picamera2)
  else
    note "apt has no python3-picamera2 here: only Raspberry Pi OS has it. The source \"pi\" (the Pi's own camera) is therefore"
    note "not available; USB and network cameras are (camera.source = \"/dev/video0\", \"rtsp://…\")."
  fi
  [ ${#needed[@]} -eq 0 ] || step "install from apt: ${needed[*]}" apt_install "${needed[@]}" ||
    die "apt could not install ${needed[*]}; see its message above. Is there a network?"
}

lists_are_old() { [ -z "$(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' -mtime -7 2>/dev/null | head -n 1)" ]; }

# Which lock, and whether apt's picamera2 (with apt's numpy, which it was built for) is to be seen from the release.
choose_lock() {
  PICAMERA2=''
  if "$PYTHON" -c 'import importlib.util, sys; sys.exit(importlib.util.find_spec("picamera2") is None)' 2>/dev/null; then PICAMERA2=yes; fi
  case $PYTHON_VERSION in
    3.13) LOCK=py313 ;;
    *) LOCK=py311 ;;
  esac
  if [ -n "$PICAMERA2" ] && [ "$("$PYTHON" -c 'import numpy; print(numpy.__version__.split(".")[0])' 2>/dev/null)" = 1 ]; then
    [ "$LOCK" = py311 ] || die "apt's numpy is version 1 and Python is $PYTHON_VERSION: there is no lock for both; upgrade the system (sudo apt full-upgrade)"
    LOCK=py311-numpy1
  fi
  [ -z "$WHEELS" ] || check_wheels
}

check_wheels() {
  local made_for
  made_for=$(cat "$WHEELS/lock" 2>/dev/null) || die "$WHEELS was not made by scripts/wheels, or not to the end; make it anew"
  # What runs beside apt's numpy 1 runs without it too: the wheels for a Pi serve any device with that Python.
  if [ "$made_for $LOCK" = "py311-numpy1 py311" ]; then LOCK=py311-numpy1; fi
  [ "$made_for" = "$LOCK" ] || die "$WHEELS was made for $made_for, and this device needs $LOCK; make it with scripts/wheels (on a Pi's behalf: --device bookworm or trixie)"
}
