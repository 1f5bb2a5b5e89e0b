#!/usr/bin/env bash
# Creates the root file system of a Debian for tests, as root, and keeps it in ~/.cache/camera-appliance/debian-SUITE:
#   scripts/lib/debian-root.sh SUITE PACKAGES          bookworm (Python 3.11) or trixie (Python 3.13)
#   scripts/lib/debian-root.sh --is-made SUITE PACKAGES
# It is created again when the list of packages (with commas) changes. The second form only reports, by its exit status,
# whether it exists with these packages.
set -euo pipefail
only_look=''
if [ "$1" = --is-made ]; then only_look=yes; shift; fi
suite=$1 packages=$2
root=${XDG_CACHE_HOME:-$HOME/.cache}/camera-appliance/debian-$suite

[ "$(cat "$root/.complete" 2>/dev/null)" != "$packages" ] || exit 0
[ -z "$only_look" ] || exit 1
rm -rf "$root"
mkdir -p "$root"
mmdebstrap --quiet --mode=root --variant=apt --include="$packages" "$suite" "$root"
echo "127.0.0.1 localhost" >"$root/etc/hosts"
echo "$packages" >"$root/.complete"
