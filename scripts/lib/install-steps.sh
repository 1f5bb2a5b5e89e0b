# Sourced by install.sh and uninstall.sh: where everything is, and how a step is said, done, or only said (DRY_RUN).
# Every line of output begins with one of: "==" (so already), "->" (done now), "would" (with --dry-run), "!!" (a fault).

PREFIX=/opt/appliance
RELEASES=$PREFIX/releases
CURRENT=$PREFIX/current
COMMAND=/usr/local/bin/appliance
ETC=/etc/appliance
STATE=/var/lib/appliance
UNIT=/etc/systemd/system/appliance.service
SERVICE=appliance.service
DRY_RUN=''
CHANGED=''

already() { echo "== $*"; }
note() { echo "   $*"; }
warn() { echo "!! $*" >&2; }
die() { warn "$*"; exit 1; }

# step WHAT COMMAND...: says WHAT and runs the command, or says what would be done.
step() {
  local what=$1; shift
  if [ -n "$DRY_RUN" ]; then echo "would $what"; return; fi
  echo "-> $what"
  CHANGED=yes
  "$@"
}

# same FILE FILE: whether both are there and alike.
same() { [ -e "$1" ] && [ -e "$2" ] && cmp -s "$1" "$2"; }

# put FILE TARGET MODE: replaces the target in one step, so that a power cut leaves the old or the new one.
put() { install -D -m "$3" "$1" "$2.new" && mv -T "$2.new" "$2"; }

# link TARGET NAME: the same for a link.
link() { ln -sfn "$1" "$2.new" && mv -T "$2.new" "$2"; }

take_lock() {
  [ -z "$DRY_RUN" ] || return 0
  exec 9>/run/appliance-install.lock
  # What one that was ended just now had started may still hold it for a moment.
  flock -w 10 9 || die "another installation is under way; wait until it is done"
}
