# shellcheck shell=bash
# Sourced by install.sh: a release is a folder with its own virtual environment, created once and never changed.
# `.complete` is written last, so a release without it was left behind by an interrupted installation.

# Print the version and 8 hex digits of a hash of everything that a release is built from, so that another commit of the
# same version is a different release.
release_name() {
  local version made_from
  version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' appliance/__init__.py)
  made_from=$({
    find appliance systemd pyproject.toml "scripts/locks/$LOCK.txt" scripts/lib/install-release.sh scripts/lib/fetch_wheels.py -type f -not -path '*/__pycache__/*' -print0 |
      LC_ALL=C sort -z | xargs -0 sha256sum
    echo "$PYTHON_VERSION $LOCK ${PICAMERA2:+picamera2}${EXTRA_NAMES:+ $EXTRA_NAMES}"
  } | sha256sum | cut -c1-8)
  echo "$version+$made_from"
}

make_account() {
  if getent passwd appliance >/dev/null && id -nG appliance | grep -w video >/dev/null; then
    already "the account appliance exists"
  else
    step "create the account appliance, in the group video" systemd-sysusers "$PWD/systemd/appliance.sysusers.conf"
  fi
}

make_folders() {
  local folder mode
  while read -r folder mode; do
    [ -d "$folder" ] || step "create $folder" install -d -m "$mode" "$folder"
  done <<<"$PREFIX 0755
$RELEASES 0755
$ETC 0755
$ETC/credentials 0700"
}

make_release() {
  # shellcheck disable=SC2153 # set by install.sh
  local release=$RELEASES/$RELEASE
  if [ -e "$release/.complete" ]; then already "the release $RELEASE is complete"; return; fi
  [ ! -e "$release" ] || step "remove the incomplete release $RELEASE" rm -rf "$release"
  step "create the virtual environment of $RELEASE${PICAMERA2:+, which sees picamera2 and numpy from apt}" make_environment "$release"
  # shellcheck disable=SC2153 # set by install-steps.sh
  [ -n "$WHEELS" ] || step "fetch the packages (about 140 MB the first time)${EXTRA_NAMES:+, with $EXTRA_NAMES}" watch "$CACHE" get_wheels "$release"
  step "install the packages${WHEELS:+ from $WHEELS}, each checked against its hash" watch "$release" install_wheels "$release"
  step "copy the program" copy_program "$release"
}

make_environment() {
  mkdir -p "$1"
  "$PYTHON" -m venv ${PICAMERA2:+--system-site-packages} "$1/venv" >"$1/venv.log" 2>&1 || {
    tail -n 3 "$1/venv.log" >&2; die "the virtual environment could not be created; run: sudo apt install python3-venv"; }
  rm "$1/venv.log"
}

# Beside apt's picamera2, apt's numpy is used, except by scikit-learn, for which Bookworm's is too old; picamera2 also runs
# with the newer one of the lock, which has the same major version.
leave_out() {
  case " $EXTRA_NAMES " in *" workshop "*) return ;; esac
  [ -z "$PICAMERA2" ] || echo --without numpy
}
# shellcheck disable=SC2086 # one option for each name
extra_options() { printf -- '--extra %s ' $EXTRA_NAMES; }

# shellcheck disable=SC2046,SC2086 # the options are words without special characters
get_wheels() {
  mkdir -p "$CACHE"
  "$1/venv/bin/python" scripts/lib/fetch_wheels.py "$LOCK" "$CACHE" --prune $(leave_out) ${EXTRA_NAMES:+$(extra_options)} ||
    die "the packages could not be downloaded; nothing was installed, and the previous release keeps running"
}

# shellcheck disable=SC2046,SC2086 # the options are words without special characters
install_wheels() {
  local wheels=${WHEELS:-$CACHE} requirements=$1/requirements.txt log=$1/pip.log
  "$1/venv/bin/python" scripts/lib/fetch_wheels.py "$LOCK" "$wheels" --list "$requirements" $(leave_out) ${EXTRA_NAMES:+$(extra_options)} ||
    die "the wheels in $wheels are not those of this clone for Python $PYTHON_VERSION; create them again with scripts/wheels${EXTRA_NAMES:+ and --with for each of: $EXTRA_NAMES}"
  "$1/venv/bin/python" -m pip install -q --disable-pip-version-check --no-index --find-links "$wheels" --ignore-installed --no-deps \
    --require-hashes -r "$requirements" >"$log" 2>&1 || {
    tail -n 8 "$log" >&2; die "the packages could not be installed; see pip's message above, and check that the wheels are for this system (scripts/wheels)"; }
  rm -rf "$log"
}

copy_program() {
  local site
  site=$("$1/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  cp -R appliance "$site/"
  # These are for readers of the repository; a device does not need them.
  rm -rf "$site/appliance/docs/decisions" "$site/appliance/docs/changelog.md"
  find "$site/appliance" -name __pycache__ -prune -exec rm -rf {} +
  "$1/venv/bin/python" -m compileall -q "$site/appliance"
  mkdir -p "$1/bin"
  printf '#!%s -I\nimport sys\n\nfrom appliance.__main__ import main\n\nsys.exit(main())\n' "$1/venv/bin/python" >"$1/bin/appliance"
  chmod 0755 "$1/bin/appliance"
  cp systemd/appliance.service systemd/appliance@.service "$1/"
  "$1/bin/appliance" --version >/dev/null || die "the program does not run in its new environment; see the message above"
  sync -f "$1"
  touch "$1/.complete"
}

write_configuration() {
  if [ -e "$ETC/appliance.toml" ]; then
    already "$ETC/appliance.toml is kept"
  else
    step "write $ETC/appliance.toml" put config/appliance.toml "$ETC/appliance.toml" 0644
  fi
  [ -n "$ROOT_FILE" ] || return 0
  if is_same "$ROOT_FILE" "$ETC/root.json"; then
    already "$ETC/root.json is this root"
  else
    step "trust $ROOT_FILE as the update repository's root ($ETC/root.json)" put "$ROOT_FILE" "$ETC/root.json" 0644
    # shellcheck disable=SC2034 # read by start_service
    ROOT_CHANGED=yes
  fi
}
