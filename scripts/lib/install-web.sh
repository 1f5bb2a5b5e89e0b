# shellcheck shell=bash
# Sourced by install.sh: decides whether the device serves its page, turns it on or off, and prints the sign-in link.

# Decide about the page: as --web or --no-web says; a new installation asks on a terminal; otherwise it stays as it is.
choose_web() {
  local answer
  if [ -z "$WEB" ] && [ -z "$DRY_RUN" ] && [ ! -e "$ETC/appliance.toml" ] && [ -t 0 ] && [ -t 1 ]; then
    read -r -p "Open a page in your network, protected by a sign-in link? [Y/n] " answer || answer=n
    case $answer in [nN]*) WEB=no ;; *) WEB=yes ;; esac
  fi
  [ "$WEB" != yes ] || WITH="$WITH web"
}

# The new release must run before its settings are changed, because an older one may not know them.
switch_web() {
  local before
  case $WEB in
    yes)
      before=$(cat "$ETC/appliance.toml" 2>/dev/null || true)
      [ -z "$WEB_TLS" ] || make_web_certificate
      step "turn the page on" "$CURRENT/bin/appliance" web --enable --config "$ETC/appliance.toml"
      # Turning it on restarts the service unless it was on already, with other certificates.
      if [ -n "$WEB_TLS" ] && [ -z "$DRY_RUN" ] && [ -n "$START" ] && [ "$before" != "$(cat "$ETC/appliance.toml")" ]; then
        step "restart the service with the certificate" systemctl restart "$SERVICE"
      fi ;;
    no)
      if grep -Eqs '^\[web\]' "$ETC/appliance.toml"; then
        step "turn the page off" "$CURRENT/bin/appliance" web --disable --config "$ETC/appliance.toml"
      fi ;;
  esac
}

# Make a certificate that this device signs itself, for its names and its address; browsers warn about it once.
make_web_certificate() {
  local name address names
  name=$(hostname -s)
  address=$(hostname -I 2>/dev/null | cut -d ' ' -f 1)
  names="DNS:$name,DNS:$name.local,DNS:localhost${address:+,IP:$address}"
  if [ -e "$ETC/web.crt" ]; then
    already "$ETC/web.crt is kept"
  else
    command -v openssl >/dev/null || die "openssl is missing; run: sudo apt install openssl"
    step "make the certificate $ETC/web.crt" write_web_certificate "$name" "$names"
  fi
  step "use the certificate for the page" set_web_certificate
}

write_web_certificate() {
  (
    umask 077
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj "/CN=$1" \
      -addext "subjectAltName=$2" -keyout "$ETC/web.key.new" -out "$ETC/web.crt.new" 2>/dev/null
  ) || die "openssl could not make a certificate"
  chown root:appliance "$ETC/web.key.new"
  chmod 0640 "$ETC/web.key.new"
  chmod 0644 "$ETC/web.crt.new"
  mv -T "$ETC/web.key.new" "$ETC/web.key"
  mv -T "$ETC/web.crt.new" "$ETC/web.crt"
}

set_web_certificate() { "$CURRENT/venv/bin/python" scripts/lib/set_certificate.py "$ETC/appliance.toml" "$ETC/web.crt" "$ETC/web.key"; }

# Print the link once the page is served.
show_web_link() {
  [ "$WEB" = yes ] && [ -z "$DRY_RUN" ] && [ -n "$START" ] || return 0
  local until=$((SECONDS + WAIT_S))
  is_ready || true
  while [ $SECONDS -lt $until ]; do
    if "$CURRENT/bin/appliance" web >/dev/null 2>&1; then
      "$CURRENT/bin/appliance" web
      return
    fi
    sleep 1
  done
  warn "the page is not served yet; see: journalctl -u appliance; then print the link with: sudo appliance web"
}
