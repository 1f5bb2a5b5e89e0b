# shellcheck shell=bash
# shellcheck disable=SC2034 # these constants are read by the scripts that source this file
# Sourced by install.sh and uninstall.sh: defines the paths, and prints and runs each step (or only prints it, with DRY_RUN).
# A line of output begins with "==" (already done), "->" (done now), "would" (--dry-run), or "!!" (an error).

. scripts/lib/progress.sh

PREFIX=/opt/appliance
RELEASES=$PREFIX/releases
CURRENT=$PREFIX/current
# Kept between upgrades, because most upgrades change no package. It is in no release, and uninstalling removes it.
CACHE=$PREFIX/wheels
# The extras of this device (install.sh --with), one per line, kept for the next upgrade.
EXTRAS=$PREFIX/extras
COMMAND=/usr/local/bin/appliance
ETC=/etc/appliance
STATE=/var/lib/appliance
UNIT=/etc/systemd/system/appliance.service
TEMPLATE=/etc/systemd/system/appliance@.service
SERVICE=appliance.service
DRY_RUN=''
CHANGED=''

already() { echo "== $*"; }
note() { echo "   $*"; }
warn() { echo "!! $*" >&2; }
die() {
  warn "$*"
  exit 1
}

# require_value OPTION VALUE WHAT: end if an option has no value.
require_value() {
  case ${2:-} in
    '' | --*)
      warn "$1 needs $3; $0 --help describes the options"
      exit 2
      ;;
  esac
}

# step DESCRIPTION COMMAND...: print the description and run the command; with DRY_RUN, only print.
step() {
  local description=$1
  shift
  if [ -n "$DRY_RUN" ]; then
    echo "would $description"
    return
  fi
  echo "-> $description"
  CHANGED=yes
  "$@"
}

# is_same FILE FILE: return whether both exist and have the same contents.
is_same() { [ -e "$1" ] && [ -e "$2" ] && cmp -s "$1" "$2"; }

# put FILE TARGET MODE: replace the target atomically, so that a power cut leaves either the old or the new file.
put() { install -D -m "$3" "$1" "$2.new" && mv -T "$2.new" "$2"; }

# link TARGET NAME: replace a symbolic link atomically.
link() { ln -sfn "$1" "$2.new" && mv -T "$2.new" "$2"; }

take_lock() {
  [ -z "$DRY_RUN" ] || return 0
  exec 9>/run/appliance-install.lock
  # If an installer was just killed, its child processes may hold the lock a moment longer.
  flock -w 10 9 || die "another installation is running; wait until it has finished"
}
