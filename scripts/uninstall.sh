#!/usr/bin/env bash
# Removes the appliance: the service, the program, and the command. The settings (/etc/appliance), the state, such as
# models and undelivered events (/var/lib/appliance), and the account are kept for a later installation.
#   --purge     remove these too
#   --dry-run   print what would be removed
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/install-steps.sh
PURGE=''
for argument in "$@"; do
  case $argument in
    --purge) PURGE=yes ;;
    --dry-run) DRY_RUN=yes ;;
    -h | --help) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit ;;
    *) sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  esac
done
[ "$(id -u)" = 0 ] || die "this needs root; run: sudo $0"
take_lock
HAVE_SYSTEMD=''
[ ! -d /run/systemd/system ] || HAVE_SYSTEMD=yes

if [ -e "$UNIT" ]; then
  [ -z "$HAVE_SYSTEMD" ] || step "stop the service" systemctl stop "$SERVICE"
  step "stop starting it with the system" systemctl disable -q "$SERVICE"
  step "remove $UNIT" rm -f "$UNIT"
  if [ -n "$HAVE_SYSTEMD" ]; then
    step "reload systemd" systemctl daemon-reload
    [ -n "$DRY_RUN" ] || systemctl reset-failed "$SERVICE" 2>/dev/null || true
  fi
else
  already "there is no $UNIT"
fi
if [ "$(readlink "$COMMAND" 2>/dev/null)" = "$CURRENT/bin/appliance" ]; then
  step "remove the command appliance" rm -f "$COMMAND"
fi
if [ -e "$PREFIX" ]; then step "remove $PREFIX" rm -rf "$PREFIX"; else already "there is no $PREFIX"; fi
if [ -n "$PURGE" ]; then
  for folder in "$ETC" "$STATE" "$UNIT.d"; do
    [ ! -e "$folder" ] || step "remove $folder" rm -rf "$folder"
  done
  if getent passwd appliance >/dev/null; then step "remove the account appliance" userdel appliance; fi
  if getent group appliance >/dev/null; then step "remove the group appliance" groupdel appliance; fi
else
  note "kept: $ETC, $STATE and the account appliance (--purge removes them too)"
fi
