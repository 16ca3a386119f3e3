#!/usr/bin/env bash
# Puts the data view and the dashboards into a Kibana: waits for it, imports, replaces what is there already.
# All that is given goes to the command: scripts/setup_kibana.sh --url http://localhost:5601 --help
set -euo pipefail

here="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"
exec "$here/cryptoproxy.sh" kibana install "$@"
