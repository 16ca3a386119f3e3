#!/usr/bin/env bash
# The command `cryptoproxy` of this checkout, else the one on the path: what the other scripts here run.
set -euo pipefail

root="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)"
command="$root/.venv/bin/cryptoproxy"
if [[ ! -x "$command" ]]; then
  command="$(command -v cryptoproxy)" || {
    echo "cryptoproxy is not installed: run 'make install' first" >&2
    exit 127
  }
fi
exec "$command" "$@"
