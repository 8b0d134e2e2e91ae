#!/usr/bin/env bash
# Makes each missing serve/*.env from the example beside it, with a fresh engine key and Grafana password in it.
#
#   serve/prepare.sh [FOLDER]     FOLDER: where to put them, serve/ if not given
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here}

umask 077
mkdir -p "$folder"
for example in "$here"/*.env.example; do
  file=$folder/$(basename "$example" .example)
  if [ -e "$file" ]; then continue; fi
  secret=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
  sed -E "s/^(STYLE_CLONE_ENGINE_KEY|GF_SECURITY_ADMIN_PASSWORD)=\$/\1=$secret/" "$example" >"$file"
  echo "made $file"
done
