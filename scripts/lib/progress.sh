# shellcheck shell=bash
# Sourced by scripts that install packages: shows the progress of a step that takes minutes.

# size_mb FOLDER: print how many MB the files in a folder have.
size_mb() { du -sm "$1" 2>/dev/null | cut -f1 || true; }

# watch FOLDER COMMAND...: run the command; print its time and the growth of the folder, on a terminal while it runs.
watch() {
  local folder=$1 began=$SECONDS before pid='' status=0
  shift
  before=$(size_mb "$folder")
  if [ -t 1 ]; then
    # Background processes of a script ignore Ctrl-C, so this one looks whether the script is still there.
    while sleep 1 && kill -0 $$ 2>/dev/null; do printf '\r   %s s, %s MB \033[K' $((SECONDS - began)) $(($(size_mb "$folder") - ${before:-0})); done &
    pid=$!
  fi
  "$@" || status=$?
  if [ -n "$pid" ]; then
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    printf '\r\033[K'
  fi
  [ "$status" != 0 ] || echo "   $(($(size_mb "$folder") - ${before:-0})) MB in $((SECONDS - began)) s"
  return "$status"
}
