# shellcheck shell=bash
# Sourced by install.sh: checks the conditions that must be met before anything is changed. A failure prints one sentence.

PYTHON=/usr/bin/python3
RELEASE_MB=700 # for a release, the wheels from which it is created, and a reserve

check_machine() {
  [ "$(uname -s)" = Linux ] || die "this system is $(uname -s), and the appliance runs on Linux only"
  [ "$(id -u)" = 0 ] || die "this needs root; run: sudo $0"
  command -v apt-get >/dev/null || die "apt-get is missing; use Raspberry Pi OS or Debian (Bookworm or Trixie)"
  if [ -n "$START" ] && [ ! -d /run/systemd/system ]; then
    die "systemd is not running, and the appliance is a systemd service; in a container or an image, use --no-start, or run the program directly (appliance run)"
  fi
  command -v systemctl >/dev/null || die "systemctl is missing, and the appliance is a systemd service; install systemd"
  [ -x "$PYTHON" ] || step "install from apt: python3" apt_install python3 ||
    die "Python is missing and could not be installed; run: apt-get install python3 python3-venv"
  check_word_size
  local version
  if [ -x "$PYTHON" ]; then
    version=$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  else # --dry-run: the Python that apt would install
    version=$(apt-cache policy python3 2>/dev/null | sed -n 's/^  Candidate: \([0-9]*\.[0-9]*\).*/\1/p')
    [ -n "$version" ] || version=$(. /etc/os-release && case ${VERSION_CODENAME:-} in bookworm) echo 3.11 ;; *) echo 3.13 ;; esac)
  fi
  case $version in
    3.11 | 3.12 | 3.13) ;;
    2.* | 3.? | 3.10) die "Python $version is too old; upgrade to Raspberry Pi OS Bookworm or Trixie (Python 3.11 or 3.13)" ;;
    *) die "Python $version is newer than the versions that this release supports (3.11 to 3.13); get a newer release" ;;
  esac
  PYTHON_VERSION=$version
  [ -z "$WHEELS" ] || [ -d "$WHEELS" ] || die "$WHEELS is not a folder; create it with scripts/wheels"
  [ -z "$ROOT_FILE" ] || check_root_file
}

# Checking the kernel is not enough: Raspberry Pi OS (32-bit) runs 32-bit programs on a 64-bit kernel.
check_word_size() {
  local bits machine
  if [ -x "$PYTHON" ]; then bits=$("$PYTHON" -c 'import struct; print(8 * struct.calcsize("P"))')
  else case $(dpkg --print-architecture) in arm64 | amd64) bits=64 ;; *) bits=32 ;; esac; fi
  machine=$(uname -m)
  if [ "$bits" != 64 ]; then
    case $machine in
      aarch64 | x86_64) die "this is a 32-bit system under a 64-bit kernel ($machine), and the TFLite runtime exists for 64-bit systems only; install Raspberry Pi OS (64-bit)" ;;
      *) die "this is a 32-bit system ($machine), and the TFLite runtime exists for 64-bit systems only; use a Pi 3, Zero 2 W or newer with Raspberry Pi OS (64-bit)" ;;
    esac
  fi
  case $machine in
    aarch64 | x86_64) ;;
    *) die "this processor is $machine, and the appliance runs on aarch64 and x86_64 only" ;;
  esac
}

check_root_file() {
  [ -x "$PYTHON" ] || return 0 # --dry-run before Python is installed
  "$PYTHON" - "$ROOT_FILE" <<'PYTHON' || die "$ROOT_FILE is not the root.json of an update repository; create one with: appliance publish init (metadata/1.root.json)"
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
  local folder=$PREFIX free_mb
  while [ ! -d "$folder" ]; do folder=$(dirname "$folder"); done
  free_mb=$(df -Pm "$folder" | awk 'NR == 2 {print $4}')
  [ "$free_mb" -ge "$RELEASE_MB" ] ||
    die "only $free_mb MB are free for $PREFIX, and a release needs $RELEASE_MB MB; free some space (sudo apt-get clean) and run the installer again"
}

is_installed() { [ "$(dpkg-query -W -f '${Status}' "$1" 2>/dev/null)" = "install ok installed" ]; }
# Not grep -q: it exits at the first match, and with pipefail, the resulting SIGPIPE of apt-cache would count as a failure.
is_available() { apt-cache policy "$1" 2>/dev/null | grep '^  Candidate: [^(]' >/dev/null; }

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

# Determine the extras: those of the installed release, and the arguments.
choose_extras() {
  local name names=''
  for name in $WITH $WITHOUT; do
    case $name in
      web | workshop | publish | demo | tflite-runtime) ;;
      *) die "there is no extra $name; use web, workshop, publish, demo, or tflite-runtime" ;;
    esac
  done
  for name in web workshop publish demo tflite-runtime; do
    case " $WITHOUT " in *" $name "*) continue ;; esac
    case " $(read_extras) $WITH " in *" $name "*) names="$names $name" ;; esac
  done
  EXTRA_NAMES=${names# }
}

read_extras() { [ ! -e "$EXTRAS" ] || paste -sd ' ' "$EXTRAS"; }

install_packages() {
  local needed=() package
  for package in python3-venv ca-certificates; do
    if is_installed "$package"; then already "the package $package is installed"; else needed+=("$package"); fi
  done
  # With wheels from a folder, there may be no network, so apt's existing package lists are used.
  if [ -z "$WHEELS" ] && { [ ${#needed[@]} -gt 0 ] || ! is_installed python3-picamera2; } && are_lists_old; then
    step "fetch apt's package lists" apt-get update -qq --error-on=any ||
      die "apt's package lists could not be fetched; is there a network? (ping deb.debian.org; without a network, use a folder of wheels: --wheels DIR)"
  fi
  if is_installed python3-picamera2; then
    already "the package python3-picamera2 is installed"
  elif is_available python3-picamera2; then
    needed+=(python3-picamera2)
  else
    note "apt has no python3-picamera2; only Raspberry Pi OS provides it. Here camera.source = \"auto\" means the first USB"
    note "camera. For a network camera, or drawn scenes without a camera, set it to \"rtsp://…\" or \"scene\"."
  fi
  [ ${#needed[@]} -eq 0 ] || step "install from apt: ${needed[*]}" apt_install "${needed[@]}" ||
    die "apt could not install ${needed[*]}; see apt's message above, and check the network"
}

are_lists_old() { [ -z "$(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' -mtime -7 2>/dev/null | head -n 1)" ]; }

# Choose the lock file, and whether the release uses apt's picamera2 (with apt's numpy, for which picamera2 was built).
choose_lock() {
  PICAMERA2=''
  if "$PYTHON" -c 'import importlib.util, sys; sys.exit(importlib.util.find_spec("picamera2") is None)' 2>/dev/null; then
    PICAMERA2=yes
  fi
  case $PYTHON_VERSION in
    3.13) LOCK=py313 ;;
    *) LOCK=py311 ;;
  esac
  case " $EXTRA_NAMES " in
    *" tflite-runtime "*)
      [ "$PYTHON_VERSION" = 3.11 ] ||
        die "tflite-runtime exists for Python 3.11 only, and this system has Python $PYTHON_VERSION; use LiteRT, which every release contains, and leave out --with tflite-runtime (to remove it: --without tflite-runtime)"
      LOCK=py311-numpy1 ;;
  esac
  if [ -n "$PICAMERA2" ] && [ "$("$PYTHON" -c 'import numpy; print(numpy.__version__.split(".")[0])' 2>/dev/null)" = 1 ]; then
    [ "$LOCK" != py313 ] ||
      die "apt's numpy is version 1 and Python is $PYTHON_VERSION, and no lock file supports both; upgrade the system (sudo apt full-upgrade)"
    LOCK=py311-numpy1
  fi
  [ -z "$WHEELS" ] || check_wheels
}

check_wheels() {
  local made_for
  made_for=$(cat "$WHEELS/lock" 2>/dev/null) || die "$WHEELS was not made by scripts/wheels, or is incomplete; create it again"
  # Packages that work with apt's numpy 1 also work without it, so wheels for a Pi work on any device with the same Python.
  if [ "$made_for $LOCK" = "py311-numpy1 py311" ]; then LOCK=py311-numpy1; fi
  [ "$made_for" = "$LOCK" ] ||
    die "$WHEELS was made for $made_for, and this device needs $LOCK; create it with scripts/wheels (for a Pi: --device bookworm or trixie)"
}
