#!/usr/bin/env bash
# Checks the types of the page's modules (appliance/web/page), which are stated in their comments, with TypeScript.
#   check-page.sh             checks; reports on standard error when the checker is missing
#   check-page.sh --is-made   succeeds if the checker is installed
#   check-page.sh --install   installs it into ~/.cache/camera-appliance
set -euo pipefail
cd "$(dirname "$0")/../.."
version=5.9.3
folder=${XDG_CACHE_HOME:-$HOME/.cache}/camera-appliance/typescript-$version
tsc=$folder/node_modules/typescript/bin/tsc

is_made() { command -v node >/dev/null && [ -f "$tsc" ]; }

case ${1:-} in
  --is-made) is_made ;;
  --install)
    rm -rf "$folder"
    mkdir -p "$folder"
    npm install --silent --no-save --no-fund --no-audit --ignore-scripts --prefix "$folder" "typescript@$version"
    ;;
  *)
    if is_made; then
      node "$tsc" --project scripts/lib/tsconfig.json
    else
      echo "check: the page's modules were not checked: node or TypeScript is missing (scripts/install-test-tools)" >&2
    fi
    ;;
esac
