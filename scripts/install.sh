#!/usr/bin/env bash
# Installs this clone as the service `appliance`, or upgrades the one that is there. As root, on Raspberry Pi OS or
# Debian (Bookworm, Trixie), 64-bit. Running it again changes nothing where nothing is new.
#   --wheels DIR   take the Python packages from this folder instead of the network (scripts/wheels makes it)
#   --root FILE    trust this root.json of an update repository (put as /etc/appliance/root.json)
#   --dry-run      say what would be done, and do nothing
#   --no-start     for an image that is not running: put everything in place, start and ask nothing
#   --wait S       how long a release may take to be ready, and to label its first frame (default 60)
# A release that is not ready in time, or labels nothing where the one before it did, is taken back.
set -euo pipefail
umask 022
cd "$(dirname "$0")/.."
. scripts/lib/install-steps.sh
. scripts/lib/install-checks.sh
. scripts/lib/install-release.sh
. scripts/lib/install-service.sh

WHEELS='' ROOT_FILE='' ROOT_CHANGED='' START=yes WAIT_S=60
while [ $# -gt 0 ]; do
  case $1 in
    --wheels) WHEELS=$(realpath -- "${2:?--wheels needs a folder}"); shift ;;
    --root) ROOT_FILE=$(realpath -- "${2:?--root needs a file}"); shift ;;
    --wait) WAIT_S=${2:?--wait needs seconds}; shift ;;
    --dry-run) DRY_RUN=yes ;;
    --no-start) START='' ;;
    -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit ;;
    *) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  esac
  shift
done

check_machine
take_lock
install_packages
choose_lock
RELEASE=$(release_name)
check_space
make_account
make_folders
make_release
write_configuration
say_interrupted_upgrade
OLD=$(release_before)
OLD_LABELED=$(old_labels)
switch_to_release
if [ -n "$START" ]; then
  if ! start_service; then
    take_back
    exit 1
  fi
  upgrade_is_done
  show_check
else
  upgrade_is_done
fi
prune_releases
finished
