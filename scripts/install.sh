#!/usr/bin/env bash
# Installs this clone as the service appliance, or upgrades the installed service. Run it as root on 64-bit Raspberry Pi
# OS or Debian (Bookworm or Trixie). Running it again changes nothing unless something is new.
#   --wheels DIR   install Python packages from this folder instead of the network (create it with scripts/wheels)
#   --web, --no-web   serve the page of the device in your network, protected by a sign-in link, or do not; a new
#                  installation asks on a terminal, an upgrade leaves it as it was
#   --web-tls      with a certificate that this device makes for the page (https); implies --web
#   --with EXTRA   also install an extra, now and at each upgrade: web, workshop (train models here), publish, demo,
#                  or tflite-runtime (the older runtime; Python 3.11 only). Repeat it for several; --without removes one
#   --root FILE    trust this root.json of an update repository (copied to /etc/appliance/root.json)
#   --dry-run      print what would be done, and change nothing
#   --no-start     install everything, but start and check nothing (for an image that is not running)
#   --wait S       seconds within which a release must become ready, and then label its first frame (default 60)
# If a release is not ready in time, or labels nothing although the previous one did, or you press Ctrl-C meanwhile, the
# installer switches back.
set -euo pipefail
umask 022
cd "$(dirname "$0")/.."
. scripts/lib/install-steps.sh
. scripts/lib/install-checks.sh
. scripts/lib/install-release.sh
. scripts/lib/install-service.sh
. scripts/lib/install-web.sh

WHEELS='' WEB='' WEB_TLS='' WITH='' WITHOUT='' ROOT_FILE='' ROOT_CHANGED='' START=yes WAIT_S=60
while [ $# -gt 0 ]; do
  case $1 in
    --wheels) require_value "$1" "${2:-}" "a folder"; WHEELS=$(realpath -m -- "$2"); shift ;;
    --with) require_value "$1" "${2:-}" "an extra"; WITH="$WITH $2"; shift ;;
    --without) require_value "$1" "${2:-}" "an extra"; WITHOUT="$WITHOUT $2"; shift ;;
    --web) WEB=yes ;;
    --no-web) WEB=no ;;
    --web-tls) WEB=yes WEB_TLS=yes ;;
    --root) require_value "$1" "${2:-}" "a file"; ROOT_FILE=$(realpath -m -- "$2"); shift ;;
    --wait) require_value "$1" "${2:-}" "seconds"; WAIT_S=$2; shift ;;
    --dry-run) DRY_RUN=yes ;;
    --no-start) START='' ;;
    -h | --help) sed -n '2,15s/^# \{0,1\}//p' "$0"; exit ;;
    *) sed -n '2,15s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  esac
  shift
done

case $WAIT_S in
  *[!0-9]*) warn "--wait needs a whole number of seconds, not $WAIT_S"; exit 2 ;;
esac
check_machine
take_lock
choose_web
choose_extras
install_packages
choose_lock
RELEASE=$(release_name)
check_space
make_account
make_folders
make_release
write_configuration
report_interrupted_upgrade
OLD=$(previous_release)
OLD_LABELED=$(previous_labeled)
take_back_on_signals
switch_to_release
if [ -n "$START" ]; then
  if ! start_service; then
    switch_back
    exit 1
  fi
  restart_instances
  finish_upgrade
  switch_web
  show_check
else
  finish_upgrade
  switch_web
fi
prune_releases
report_result
show_web_link
