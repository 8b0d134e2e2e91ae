#!/usr/bin/env bash
# Makes .venv: Python packages pinned in requirements/, for this machine's CPU or GPU. A second run does nothing.
#
#   scripts/setup.sh          what `style-clone` needs
#   scripts/setup.sh --dev    and what `make check` and `make test` need, a browser included
#
# Environment: PYTHON (default python3.11), STYLE_CLONE_DEVICE=cpu|cuda (default: cuda where nvidia-smi lists a GPU).
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$1"; [ -z "${2:-}" ] || say "$2"; exit 1; }

dev=no
case "${1:-}" in
  '') ;;
  --dev) dev=yes ;;
  *) fail "unknown option $1" "usage: scripts/setup.sh [--dev]" ;;
esac

device=${STYLE_CLONE_DEVICE:-}
if [ -z "$device" ]; then
  if command -v nvidia-smi >/dev/null && nvidia-smi -L 2>/dev/null | grep -q GPU; then device=cuda; else device=cpu; fi
fi
case "$device" in
  cpu | cuda) ;;
  *) fail "STYLE_CLONE_DEVICE is '$device'" "set it to cpu or cuda" ;;
esac

find_python() {
  local candidate
  for candidate in ${PYTHON:-python3.11 python3.12 python3}; do
    if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  fail "no Python 3.11 or 3.12 with venv found" "install it (Debian: apt-get install python3.11-venv) or name it: PYTHON=/path/to/python3.11 make"
}

install_browser() {
  if command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null; then
    return
  fi
  say "installing Chromium for the page's tests"
  if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium fonts-noto-color-emoji; } >/dev/null 2>&1 ||
      say "apt-get could not install chromium; the page's tests will say so"
  else
    .venv/bin/playwright install chromium || say "no browser could be installed; the page's tests will say so"
  fi
}

# vLLM's CPU engine is faster with tcmalloc; everything works without it, and `style-clone doctor` says so.
install_allocator() {
  if [ "$device" = cpu ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null &&
    ! ls /usr/lib/*/libtcmalloc_minimal.so.4 >/dev/null 2>&1; then
    { apt-get update -qq && apt-get install -y -qq libtcmalloc-minimal4; } >/dev/null 2>&1 || true
  fi
}

install_torch_cpu() {
  local pin
  pin=$(grep '^torch==' requirements/cpu.txt)
  say "installing $pin"
  "${pip[@]}" install --no-deps "$pin" 2>/dev/null ||
    "${pip[@]}" install --no-deps "$pin" --index-url https://download.pytorch.org/whl/cpu ||
    fail "no CPU build of $pin was found, neither on the configured index nor on PyTorch's" "check the network, then run again"
}

wanted=$(cat scripts/setup.sh pyproject.toml requirements/*.txt | sha256sum | cut -d' ' -f1)
stamp=".venv/.setup-$device-$dev"
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then exit 0; fi

python=$(find_python)
say "making .venv with $("$python" --version) for $device (a few minutes, once)"
[ -x .venv/bin/python ] || "$python" -m venv .venv
pip=(.venv/bin/python -m pip --quiet --disable-pip-version-check)

if [ "$device" = cpu ]; then
  install_torch_cpu
  say "installing the other packages"
  "${pip[@]}" install --no-deps -r requirements/cpu.txt
else
  say "installing the packages (CUDA builds: several GB)"
  "${pip[@]}" install -r requirements/cuda.txt
fi
if [ "$dev" = yes ]; then
  "${pip[@]}" install --no-deps -r requirements/dev.txt
  install_browser
fi
install_allocator
"${pip[@]}" install --no-deps --no-build-isolation --editable .

unexpected=$(.venv/bin/python -m pip check 2>/dev/null | grep -v -E 'requires torch(vision|audio|codec), which is not installed' |
  grep -v 'No broken requirements' || true)
[ -z "$unexpected" ] || fail "packages do not fit together:" "$unexpected"
echo "$wanted" >"$stamp"
say "done"
