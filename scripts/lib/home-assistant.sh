#!/usr/bin/env bash
# Installs Home Assistant for tests, as root, in ~/.cache/camera-appliance/home-assistant: a copy of the Trixie root
# (scripts/lib/debian-root.sh), because Home Assistant needs Python 3.13, with a virtual environment in /opt of it:
#   scripts/lib/home-assistant.sh
#   scripts/lib/home-assistant.sh --is-made      only reports, by its exit status, whether it is installed
# It takes about 1.7 GB and 5 minutes. It is installed again when the packages below change.
set -euo pipefail
VERSION='2026.2.*'
# What the integrations frontend, MQTT, camera and stream need, in the versions that it constrains.
PACKAGES='home-assistant-frontend PyTurboJPEG av numpy paho-mqtt ha-ffmpeg'
cache=${XDG_CACHE_HOME:-$HOME/.cache}/camera-appliance
root=$cache/home-assistant

[ "$(cat "$root/.complete" 2>/dev/null)" != "$VERSION $PACKAGES" ] || exit 0
[ "${1:-}" != --is-made ] || exit 1
[ -e "$cache/debian-trixie/.complete" ] || { echo "home-assistant: there is no $cache/debian-trixie" >&2; exit 1; }
rm -rf "$root"
cp -a "$cache/debian-trixie" "$root"
rm "$root/.complete"
# The downloads inside use the name server and the certificate authorities of this machine.
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
run() {
  chroot "$root" env -i HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive \
    PIP_CERT=/etc/ssl/certs/ca-certificates.crt PIP_DISABLE_PIP_VERSION_CHECK=1 "$@"
}
# Some of its packages have no wheels and are compiled.
run apt-get -o APT::Sandbox::User=root update -qq
run apt-get install -y -qq --no-install-recommends gcc g++ python3-dev libturbojpeg0 >/dev/null 2>&1
run python3 -m venv /opt/home-assistant
run /opt/home-assistant/bin/pip install -q "homeassistant==$VERSION"
run sh -c "/opt/home-assistant/bin/pip install -q $PACKAGES \
  -c /opt/home-assistant/lib/python3*/site-packages/homeassistant/package_constraints.txt"
echo "$VERSION $PACKAGES" >"$root/.complete"
