# Sourced by install.sh: the switch from one release to the next, whether the new one does well, and the way back.
# While a switch is being tried, $PREFIX/upgrading names the release that was good before (and in its second line says
# whether that one labeled frames); the unit file of that time lies beside it. An installation that is cut short there is finished by the next one, with the same release to go back to.

UPGRADING=$PREFIX/upgrading
UNIT_BEFORE=$PREFIX/unit-before

current_release() { local path; path=$(readlink "$CURRENT" 2>/dev/null) && basename "$path"; }

say_interrupted_upgrade() {
  [ ! -e $UPGRADING ] || note "an earlier upgrade was cut short; the release before it was $(head -n 1 $UPGRADING)"
}

# The release to go back to; nothing at a first installation.
release_before() {
  local old
  if [ -e $UPGRADING ]; then old=$(head -n 1 $UPGRADING); else old=$(current_release || true); fi
  [ -z "$old" ] || [ ! -e "$RELEASES/$old/.complete" ] || echo "$old"
}

labels_frames() { "$PYTHON" scripts/lib/labels_frames.py; }

old_labels() { if [ -e $UPGRADING ]; then sed -n 2p $UPGRADING; elif labels_frames; then echo yes; fi; }

switch_to_release() {
  local current
  current=$(current_release || true)
  if [ "$current" != "$RELEASE" ] || ! same systemd/appliance.service $UNIT; then
    [ -n "$DRY_RUN" ] || remember_before
  fi
  if same systemd/appliance.service $UNIT; then
    already "$UNIT is this one"
  else
    step "write $UNIT" put systemd/appliance.service $UNIT 0644
    [ -z "$START" ] || step "let systemd read it" systemctl daemon-reload
  fi
  if [ "$current" = "$RELEASE" ]; then
    already "the current release is $RELEASE"
  else
    step "make $RELEASE the current release${current:+, instead of $current}" link "releases/$RELEASE" $CURRENT
  fi
  if [ "$(readlink $COMMAND 2>/dev/null)" = $CURRENT/bin/appliance ]; then
    already "the command appliance is there"
  elif [ -e $COMMAND ] && [ ! -L $COMMAND ]; then
    warn "$COMMAND is a file of somebody else and is left alone; the command is $CURRENT/bin/appliance"
  else
    step "make the command appliance" link $CURRENT/bin/appliance $COMMAND
  fi
  if systemctl is-enabled -q $SERVICE 2>/dev/null; then
    already "the service starts with the system"
  else
    step "let the service start with the system" systemctl enable -q $SERVICE
  fi
}

remember_before() {
  [ ! -e $UPGRADING ] || return 0
  if [ -e $UNIT ]; then cp -p $UNIT $UNIT_BEFORE; else rm -f $UNIT_BEFORE; fi
  printf '%s\n' "$OLD" "$OLD_LABELED" >$UPGRADING.new
  mv -T $UPGRADING.new $UPGRADING
}

upgrade_is_done() { [ -n "$DRY_RUN" ] || rm -f $UPGRADING $UNIT_BEFORE; }

# Starts the service where something is new or it does not run; fails when the release does not do well.
start_service() {
  if [ ! -e $UPGRADING ] && [ -z "$DRY_RUN$ROOT_CHANGED" ] && systemctl is-active -q $SERVICE; then
    already "the service runs"
    return
  fi
  step "start the service" systemctl restart --no-block $SERVICE
  [ -z "$DRY_RUN" ] || { echo "would wait up to $WAIT_S s until it is ready${OLD_LABELED:+, and $WAIT_S s for its first frame}, and else go back${OLD:+ to $OLD}"; return; }
  local began=$SECONDS
  if ! is_ready; then
    warn "$RELEASE is not ready after $((SECONDS - began)) s"
    return 1
  fi
  note "ready after $((SECONDS - began)) s"
  [ -n "$OLD_LABELED" ] || return 0
  began=$SECONDS
  while ! labels_frames; do
    if [ $((SECONDS - began)) -ge "$WAIT_S" ]; then
      warn "$RELEASE labels no frame within $WAIT_S s, and $OLD did"
      return 1
    fi
    sleep 1
  done
  note "labels frames"
}

property() { systemctl show -P "$1" $SERVICE; }

# Ready, and still the same process a little later: a release that ends soon after its start is none.
is_ready() {
  local until=$((SECONDS + WAIT_S)) restarts pid
  restarts=$(property NRestarts)
  sleep 0.3
  while [ $SECONDS -lt $until ]; do
    case $(property ActiveState) in
      active)
        [ -n "$(systemctl list-jobs --no-legend $SERVICE)" ] || {
          pid=$(property MainPID)
          sleep 3
          [ "$(property ActiveState) $(property MainPID)" != "active $pid" ] || return 0
        } ;;
      failed) return 1 ;;
    esac
    # Restart=always tries for ever; three ends are answer enough.
    [ $(($(property NRestarts) - restarts)) -lt 3 ] || return 1
    sleep 0.3
  done
  return 1
}

take_back() {
  note "its last words:"
  journalctl -u $SERVICE -n 12 -o cat --no-pager 2>/dev/null | sed 's/^/   | /'
  if [ -z "$OLD" ] || { [ "$OLD" = "$RELEASE" ] && [ ! -e $UNIT_BEFORE ]; }; then
    warn "there is no earlier release to go back to; what is wrong stands above. Correct it, then run this again"
    return
  fi
  echo "-> take $RELEASE back: $OLD runs again"
  if [ -e $UNIT_BEFORE ]; then cp -p $UNIT_BEFORE $UNIT.new && mv -T $UNIT.new $UNIT; fi
  link "releases/$OLD" $CURRENT
  systemctl daemon-reload
  systemctl reset-failed $SERVICE 2>/dev/null || true
  systemctl restart --no-block $SERVICE
  if is_ready; then
    upgrade_is_done
    warn "$RELEASE was taken back, and $OLD runs as before; its files are kept in $RELEASES/$RELEASE"
  else
    warn "$RELEASE was taken back, but $OLD does not start either: journalctl -u appliance"
  fi
}

show_check() {
  if [ -n "$DRY_RUN" ]; then echo "would run: appliance check"; return; fi
  echo "-> appliance check"
  "$CURRENT/bin/appliance" check 2>&1 | sed 's/^/   /' || true
}

# The current release and the newest other complete one stay.
prune_releases() {
  local keep name
  keep=$(current_release || true)
  [ -z "$OLD" ] || [ "$OLD" = "$keep" ] || keep="$keep $OLD"
  for name in $(ls -1t "$RELEASES" 2>/dev/null); do
    case " $keep " in *" $name "*) continue ;; esac
    if [ -e "$RELEASES/$name/.complete" ] && [ "$(wc -w <<<"$keep")" -lt 2 ]; then
      keep="$keep $name"
    else
      step "remove the old release $name" rm -rf "${RELEASES:?}/$name"
    fi
  done
}

finished() {
  [ -z "$DRY_RUN" ] || { echo "Nothing was changed."; return; }
  if [ -z "$CHANGED" ]; then echo "Nothing was to be done: $RELEASE runs."; return; fi
  [ -n "$START" ] || { echo "$RELEASE is in place and starts with the system."; return; }
  echo "$RELEASE runs. Settings: $ETC/appliance.toml, then: sudo systemctl reload appliance. Log: journalctl -u appliance -f"
}
