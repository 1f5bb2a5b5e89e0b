# Sourced by scripts that need the project's own environment: makes .venv when it is missing or out of date.
# PYTHON chooses another interpreter than python3, VENV another folder than .venv.

make_venv() {
  local venv=${VENV:-.venv} python=${PYTHON:-python3} version lock stamp
  command -v "$python" >/dev/null || {
    echo "Python is missing. Install Python 3.11 or 3.13, for example: sudo apt install python3 python3-venv" >&2; return 1; }
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  case $version in
    3.11 | 3.12) lock=py311 ;;
    3.13) lock=py313 ;;
    *) echo "Python $version will not do: Python 3.11 or 3.13 is needed (PYTHON=python3.13 $0 takes another one)." >&2; return 1 ;;
  esac
  [ "$("$python" -c 'import struct; print(struct.calcsize("P"))')" = 8 ] || {
    echo "This is a 32-bit Python: the TFLite runtime exists for 64-bit systems only. Install a 64-bit system." >&2; return 1; }
  stamp="$version $(cat "scripts/locks/$lock.txt" pyproject.toml | sha256sum)"
  if [ "$(cat "$venv/.stamp" 2>/dev/null)" != "$stamp" ]; then
    echo "Making $venv with Python $version …" >&2
    rm -rf "$venv"
    "$python" -m venv "$venv" || {
      echo "Python's venv module is missing. Install it: sudo apt install python3-venv" >&2; rm -rf "$venv"; return 1; }
    { "$venv/bin/python" -m pip install -q --disable-pip-version-check --require-hashes -r "scripts/locks/$lock.txt" &&
      "$venv/bin/python" -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .; } || {
      echo "The packages could not be installed; see pip's message above. Is there a network?" >&2; return 1; }
    echo "$stamp" >"$venv/.stamp"
  fi
}
