# shellcheck shell=bash
# Sourced by install.sh: switches from one release to the next, checks the new release, and switches back if it fails.
# Until the new release has passed, the file $PREFIX/upgrading contains the name of the previous release (line 1) and
# whether it labeled frames (line 2), and the previous unit file is kept beside it. If an installation is interrupted, the
# next one reads these files, so that it can still return to the same previous release.

UPGRADING=$PREFIX/upgrading
UNIT_BEFORE=$PREFIX/unit-before
TEMPLATE_BEFORE=$PREFIX/template-before

current_release() {
  local path
  # shellcheck disable=SC2153 # set by install-steps.sh
  path=$(readlink "$CURRENT" 2>/dev/null) && basename "$path"
}

report_interrupted_upgrade() {
  [ ! -e "$UPGRADING" ] || note "an earlier upgrade was interrupted; the release before it was $(head -n 1 "$UPGRADING")"
}

# Print the release to return to, or nothing at the first installation.
previous_release() {
  local old
  if [ -e "$UPGRADING" ]; then old=$(head -n 1 "$UPGRADING"); else old=$(current_release || true); fi
  [ -z "$old" ] || [ ! -e "$RELEASES/$old/.complete" ] || echo "$old"
}

is_labeling() { "$PYTHON" scripts/lib/labels_frames.py; }

# Print "yes" if the previous release labels frames, or did so before an interrupted upgrade.
previous_labeled() { if [ -e "$UPGRADING" ]; then sed -n 2p "$UPGRADING"; elif is_labeling; then echo yes; fi; }

switch_to_release() {
  local current
  current=$(current_release || true)
  # shellcheck disable=SC2153 # install-steps.sh sets UNIT
  if [ "$current" != "$RELEASE" ] || ! is_same systemd/appliance.service "$UNIT"; then
    [ -n "$DRY_RUN" ] || record_previous
  fi
  local unit file changed=''
  for unit in appliance.service appliance@.service; do
    file=/etc/systemd/system/$unit
    if is_same "systemd/$unit" "$file"; then
      already "$file is up to date"
    else
      step "write $file" put "systemd/$unit" "$file" 0644
      changed=yes
    fi
  done
  [ -z "$changed" ] || [ -z "$START" ] || step "reload systemd" systemctl daemon-reload
  if [ "$current" = "$RELEASE" ]; then
    already "the current release is $RELEASE"
  else
    step "make $RELEASE the current release${current:+, instead of $current}" link "releases/$RELEASE" "$CURRENT"
  fi
  if [ "$(readlink "$COMMAND" 2>/dev/null)" = "$CURRENT/bin/appliance" ]; then
    already "the command appliance is installed"
  elif [ -e "$COMMAND" ] && [ ! -L "$COMMAND" ]; then
    warn "$COMMAND is a file that this installer did not create, so it is left alone; use $CURRENT/bin/appliance"
  else
    step "install the command appliance" link "$CURRENT/bin/appliance" "$COMMAND"
  fi
  if systemctl is-enabled -q "$SERVICE" 2>/dev/null; then
    already "the service starts with the system"
  else
    step "start the service with the system" systemctl enable -q "$SERVICE"
  fi
}

record_previous() {
  [ ! -e "$UPGRADING" ] || return 0
  if [ -e "$UNIT" ]; then cp -p "$UNIT" "$UNIT_BEFORE"; else rm -f "$UNIT_BEFORE"; fi
  if [ -e "$TEMPLATE" ]; then cp -p "$TEMPLATE" "$TEMPLATE_BEFORE"; else rm -f "$TEMPLATE_BEFORE"; fi
  printf '%s\n' "$OLD" "$OLD_LABELED" >"$UPGRADING.new"
  mv -T "$UPGRADING.new" "$UPGRADING"
}

# A release that ran counts as proven from now on: only a proven one is kept as the one to return to.
finish_upgrade() {
  [ -z "$DRY_RUN" ] || return 0
  trap - INT TERM HUP
  [ -z "$START" ] || [ -e "$RELEASES/$RELEASE/.proven" ] || touch "$RELEASES/$RELEASE/.proven"
  if [ "$EXTRA_NAMES" != "$(read_extras)" ]; then
    # shellcheck disable=SC2086 # one word for each extra
    if [ -n "$EXTRA_NAMES" ]; then printf '%s\n' $EXTRA_NAMES >"$EXTRAS.new" && mv -T "$EXTRAS.new" "$EXTRAS"; else rm -f "$EXTRAS"; fi
  fi
  forget_previous
}
forget_previous() { rm -f "$UPGRADING" "$UNIT_BEFORE" "$TEMPLATE_BEFORE"; }

# If the installer is interrupted while the release is not proven yet (Ctrl-C, a closed terminal), switch back.
take_back_on_signals() {
  [ -z "$DRY_RUN" ] && [ -n "$START" ] || return 0
  trap 'stop_watching 130' INT
  trap 'stop_watching 143' TERM HUP
}
stop_watching() {
  trap '' INT TERM HUP
  # A closed terminal takes no more output, which must not end the switch.
  trap '' PIPE
  if ! echo 2>/dev/null; then exec >/dev/null 2>&1; fi
  if [ -e "$UPGRADING" ]; then
    warn "interrupted before $RELEASE was proven"
    switch_back
  fi
  exit "$1"
}

# Start the service if something is new or it is not running; fail if the release does not become ready or label frames.
start_service() {
  if [ ! -e "$UPGRADING" ] && [ -z "$DRY_RUN$ROOT_CHANGED" ] && systemctl is-active -q "$SERVICE"; then
    already "the service runs"
    return
  fi
  step "start the service" systemctl restart --no-block "$SERVICE"
  [ -z "$DRY_RUN" ] || {
    echo "would wait up to $WAIT_S s until it is ready${OLD_LABELED:+, and $WAIT_S s for its first frame}, and otherwise switch back${OLD:+ to $OLD}"
    return
  }
  local began=$SECONDS
  if ! is_ready; then
    warn "$RELEASE is not ready after $((SECONDS - began)) s"
    return 1
  fi
  note "ready after $((SECONDS - began)) s"
  [ -n "$OLD_LABELED" ] || return 0
  began=$SECONDS
  while ! is_labeling; do
    if [ $((SECONDS - began)) -ge "$WAIT_S" ]; then
      warn "$RELEASE labels no frame within $WAIT_S s, and $OLD did"
      return 1
    fi
    sleep 1
  done
  note "labels frames"
}

property() { systemctl show -P "$1" "$SERVICE"; }

# Return whether the service is ready and is still the same process 3 s later, so that a release that exits soon after it
# starts does not count as ready.
is_ready() {
  local until=$((SECONDS + WAIT_S)) restarts pid
  restarts=$(property NRestarts)
  sleep 0.3
  while [ $SECONDS -lt $until ]; do
    case $(property ActiveState) in
      active)
        [ -n "$(systemctl list-jobs --no-legend "$SERVICE")" ] || {
          pid=$(property MainPID)
          sleep 3
          [ "$(property ActiveState) $(property MainPID)" != "active $pid" ] || return 0
        }
        ;;
      failed) return 1 ;;
    esac
    # Restart=always retries forever; three exits are enough evidence of a failure.
    [ $(($(property NRestarts) - restarts)) -lt 3 ] || return 1
    sleep 0.3
  done
  return 1
}

switch_back() {
  note "the last lines of the service's log:"
  journalctl -u "$SERVICE" -n 12 -o cat --no-pager 2>/dev/null | sed 's/^/   | /'
  if [ -z "$OLD" ] || { [ "$OLD" = "$RELEASE" ] && [ ! -e "$UNIT_BEFORE" ]; }; then
    warn "there is no earlier release to return to; fix the problem reported above and run the installer again"
    return
  fi
  echo "-> switch back from $RELEASE to $OLD"
  if [ -e "$UNIT_BEFORE" ]; then cp -p "$UNIT_BEFORE" "$UNIT.new" && mv -T "$UNIT.new" "$UNIT"; fi
  if [ -e "$TEMPLATE_BEFORE" ]; then cp -p "$TEMPLATE_BEFORE" "$TEMPLATE.new" && mv -T "$TEMPLATE.new" "$TEMPLATE"; fi
  link "releases/$OLD" "$CURRENT"
  systemctl daemon-reload
  systemctl reset-failed "$SERVICE" 2>/dev/null || true
  systemctl restart --no-block "$SERVICE"
  if is_ready; then
    forget_previous
    # Its packages are still in the cache, so another attempt is quick.
    [ "$RELEASE" = "$OLD" ] || rm -rf "${RELEASES:?}/$RELEASE"
    warn "$RELEASE was taken back and its files were removed; $OLD runs again"
  else
    warn "$RELEASE failed, and $OLD does not start either; see the log: journalctl -u appliance"
  fi
}

# Further cameras (appliance@NAME) follow to the new release, because the old one is removed at the next upgrade.
restart_instances() {
  local instances
  [ -e "$UPGRADING" ] || [ -n "$DRY_RUN" ] || return 0
  instances=$(systemctl list-units --no-legend --plain --state=active 'appliance@*' | awk '{print $1}' | tr '\n' ' ')
  # shellcheck disable=SC2086 # unit names
  [ -z "$instances" ] || step "restart ${instances% }" systemctl restart --no-block $instances
}

show_check() {
  if [ -n "$DRY_RUN" ]; then
    echo "would run: appliance check"
    return
  fi
  echo "-> appliance check"
  "$CURRENT/bin/appliance" check 2>&1 | sed 's/^/   /' || true
}

# Remove all releases except the current one and the one before it, or else the newest other one that was proven.
prune_releases() {
  local keep name names
  [ -d "$RELEASES" ] || return 0
  keep=$(current_release || true)
  [ -z "$OLD" ] || [ "$OLD" = "$keep" ] || keep="$keep $OLD"
  # Not a process substitution: that needs /dev/fd, which an image in a chroot does not have.
  names=$(find "$RELEASES" -mindepth 1 -maxdepth 1 -printf '%T@ %f\n' | sort -rn | cut -d' ' -f2-)
  while read -r name; do
    [ -n "$name" ] || continue
    case " $keep " in *" $name "*) continue ;; esac
    if [ -e "$RELEASES/$name/.proven" ] && [ "$(wc -w <<<"$keep")" -lt 2 ]; then
      keep="$keep $name"
    else
      step "remove the old release $name" rm -rf "${RELEASES:?}/$name"
    fi
  done <<<"$names"
}

report_result() {
  [ -z "$DRY_RUN" ] || {
    echo "Nothing was changed."
    return
  }
  if [ -z "$CHANGED" ]; then
    echo "Nothing to do: $RELEASE runs."
    return
  fi
  [ -n "$START" ] || {
    echo "$RELEASE is installed and starts with the system."
    return
  }
  echo "$RELEASE runs. Settings: $ETC/appliance.toml, then: sudo systemctl reload appliance. Log: journalctl -u appliance -f"
  local subscription
  subscription=$("$CURRENT/venv/bin/python" -I -c 'from appliance.cli.next_step import suggest_subscription; print(suggest_subscription() or "")') ||
    subscription=''
  echo "Next, what it sees: sudo appliance watch"
  [ -z "$subscription" ] || echo "Its events, from your broker: $subscription"
}
