#!/usr/bin/env bash
# Engine, gateway and page as three processes of this machine, from the environment files that compose reads too.
# Ctrl-C ends them together; when one of them ends, so do the others.
#
#   serve/bare.sh [FOLDER]     FOLDER: where common.env, engine.env and ui.env are, serve/ if not given
#
# Environment: GATEWAY_PORT (8000), UI_PORT (7860). The engine's port is that of STYLE_CLONE_ENGINE_URL.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here}
python=$here/../.venv/bin/python
gateway_port=${GATEWAY_PORT:-8000}

fail() { printf 'bare: %s\n' "$1" >&2; exit 1; }

for name in common engine ui; do
  [ -r "$folder/$name.env" ] || fail "$folder/$name.env is missing: serve/prepare.sh makes it"
done
[ -x "$python" ] || fail "there is no $python: run make setup"

# A command with what the named environment files say, beside this script.
start() {
  local files=$1 file
  shift
  (
    set -a
    # shellcheck disable=SC1090
    for file in $files; do . "$folder/$file.env"; done
    set +a
    exec "$python" -m style_clone "$@"
  ) &
}

stop() {
  trap '' INT TERM
  # shellcheck disable=SC2046
  kill -TERM $(jobs -p) 2>/dev/null || true
  wait
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# shellcheck disable=SC1091
engine_port=$(. "$folder/engine.env" && echo "${STYLE_CLONE_ENGINE_URL##*:}")

start "common engine" engine --host 127.0.0.1 --port "${engine_port%%/*}"
start "common engine" serve --host 127.0.0.1 --port "$gateway_port"
until "$python" "$here/healthy.py" "$gateway_port"; do
  [ "$(jobs -pr | wc -l)" = 2 ] || fail "engine or gateway ended: see above"
  sleep 1
done
start "common ui" ui --host 127.0.0.1 --port "${UI_PORT:-7860}"
wait -n
