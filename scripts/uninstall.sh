#!/usr/bin/env bash
# Removes the appliance: the service, the program, and the command. The settings (/etc/appliance), the state, such as
# models and undelivered events (/var/lib/appliance), and the account are kept for a later installation.
#   --purge         remove these too, the device's retained messages on the broker, and what config/mosquitto/set-up-broker
#                   made on this machine: the broker's listeners, certificates, keys, and accounts
#   --keep-broker   with --purge, leave the broker as it is, because other devices use it
#   --dry-run       print what would be removed
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/install-steps.sh
PURGE='' KEEP_BROKER=''
for argument in "$@"; do
  case $argument in
    --purge) PURGE=yes ;;
    --keep-broker) KEEP_BROKER=yes ;;
    --dry-run) DRY_RUN=yes ;;
    -h | --help) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit ;;
    *) sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  esac
done
[ "$(id -u)" = 0 ] || die "this needs root; run: sudo $0"
take_lock
HAVE_SYSTEMD=''
[ ! -d /run/systemd/system ] || HAVE_SYSTEMD=yes

# clear_topics SETTINGS: clear what the device retained on the broker; the broker may be absent, which stops nothing.
clear_topics() {
  "$CURRENT/bin/appliance" clear-topics --config "$1" 2>&1 | sed 's/^/   /' || true
}

instances=''
if [ -n "$HAVE_SYSTEMD" ]; then
  # Without a match, the second command fails.
  instances=$({ systemctl list-units --all --no-legend --plain 'appliance@*'; systemctl list-unit-files --no-legend 'appliance@?*' || true; } |
    awk '$1 != "appliance@.service" {print $1}' | sort -u | tr '\n' ' ')
fi
if [ -n "$instances" ]; then
  # shellcheck disable=SC2086 # unit names
  step "stop ${instances% }" systemctl disable -q --now $instances
fi
if [ -e "$TEMPLATE" ]; then step "remove $TEMPLATE" rm -f "$TEMPLATE"; fi
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
if [ -n "$PURGE" ] && [ -x "$CURRENT/bin/appliance" ]; then
  for settings in "$ETC"/*.toml; do
    [ ! -e "$settings" ] || step "clear the topics of $settings on its broker" clear_topics "$settings"
  done
fi
if [ "$(readlink "$COMMAND" 2>/dev/null)" = "$CURRENT/bin/appliance" ]; then
  step "remove the command appliance" rm -f "$COMMAND"
fi
if [ -e "$PREFIX" ]; then step "remove $PREFIX" rm -rf "$PREFIX"; else already "there is no $PREFIX"; fi
if [ -n "$PURGE" ]; then
  broker=config/mosquitto/set-up-broker
  if [ -e /etc/mosquitto/appliance ] || [ -e /etc/mosquitto/conf.d/appliance.conf ]; then
    if [ -n "$KEEP_BROKER" ]; then note "kept: the broker's settings, certificates, keys, and accounts (/etc/mosquitto/appliance)"
    else step "remove the broker's listeners, certificates, keys, and accounts ($broker --undo --purge)" $broker --undo --purge; fi
  fi
  for folder in "$ETC" "$STATE" "$STATE"-* "$UNIT.d" "$TEMPLATE.d" /etc/systemd/system/appliance@*.service.d; do
    [ ! -e "$folder" ] || step "remove $folder" rm -rf "$folder"
  done
  if getent passwd appliance >/dev/null; then step "remove the account appliance" userdel appliance; fi
  if getent group appliance >/dev/null; then step "remove the group appliance" groupdel appliance; fi
else
  note "kept: $ETC, $STATE and the account appliance (--purge removes them too)"
fi
