#!/usr/bin/env bash
# Puts the data view and the dashboards into a Kibana: waits for it, imports, replaces what is there already.
# All that is given goes to the command: scripts/setup_kibana.sh --url http://localhost:5601 --help
set -euo pipefail

root="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)"
command="$root/.venv/bin/cryptoproxy"
if [[ ! -x "$command" ]]; then
  command="$(command -v cryptoproxy)" || {
    echo "cryptoproxy is not installed: run 'make install' first" >&2
    exit 127
  }
fi
exec "$command" kibana install "$@"
