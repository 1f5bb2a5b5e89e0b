# shellcheck shell=bash
# Sourced by scripts that need the project's virtual environment.
#   PYTHON   the interpreter to use instead of python3
#   VENV     the folder to use instead of .venv

# Create .venv when it is missing or out of date.
make_venv() {
  local venv=${VENV:-.venv} python=${PYTHON:-python3} version lock stamp
  command -v "$python" >/dev/null || {
    echo "Python is missing; install Python 3.11, 3.12, or 3.13 (sudo apt install python3 python3-venv)" >&2
    return 1
  }
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  case $version in
    3.11 | 3.12) lock=py311 ;;
    3.13) lock=py313 ;;
    *)
      echo "Python $version is not supported; use Python 3.11, 3.12, or 3.13 (PYTHON=python3.13 $0)" >&2
      return 1
      ;;
  esac
  [ "$("$python" -c 'import struct; print(struct.calcsize("P"))')" = 8 ] || {
    echo "This Python is 32-bit, and the TFLite runtime exists for 64-bit systems only; install a 64-bit system" >&2
    return 1
  }
  stamp="$version $(cat "scripts/locks/$lock.txt" pyproject.toml | sha256sum)"
  if [ "$(cat "$venv/.stamp" 2>/dev/null)" != "$stamp" ]; then
    echo "Creating $venv with Python $version …" >&2
    rm -rf "$venv"
    "$python" -m venv "$venv" || {
      echo "Python's venv module is missing; install it (sudo apt install python3-venv)" >&2
      rm -rf "$venv"
      return 1
    }
    if ! { install_locked "$venv" "$lock" &&
      "$venv/bin/python" -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .; }; then
      echo "The packages could not be installed; see pip's message above, and check the network" >&2
      return 1
    fi
    echo "$stamp" >"$venv/.stamp"
  fi
}

# Add the tools of scripts/check (formatter, linter, type checker) to .venv.
add_check_tools() {
  local venv=${VENV:-.venv} stamp
  stamp=$(sha256sum <scripts/locks/dev.txt)
  [ "$(cat "$venv/.stamp-dev" 2>/dev/null)" != "$stamp" ] || return 0
  echo "Adding the tools of scripts/check to $venv …" >&2
  install_locked "$venv" dev || {
    echo "The tools of scripts/check could not be installed; see pip's message above, and check the network" >&2
    return 1
  }
  echo "$stamp" >"$venv/.stamp-dev"
}

install_locked() { # install_locked VENV LOCK
  # shellcheck source=scripts/lib/progress.sh
  . "$(dirname "${BASH_SOURCE[0]}")/progress.sh"
  watch "$1" "$1/bin/python" -m pip install -q --disable-pip-version-check --require-hashes -r "scripts/locks/$2.txt" >&2
}

# run_python SCRIPT ARGUMENT...: run a Python file of the project with .venv and the test helpers, in the current folder.
run_python() {
  local root script=$1
  shift
  root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
  (cd "$root" && make_venv)
  local venv=${VENV:-.venv}
  [[ $venv = /* ]] || venv=$root/$venv
  PYTHONPATH=$root:$root/tests exec "$venv/bin/python" "$root/$script" "$@"
}
