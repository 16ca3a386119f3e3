#!/usr/bin/env bash
# Makes the topics of KAFKA_BROKERS_HOST_PORT where they are missing, then reads partitions, copies and retention back
# from the brokers and checks them. May be run again. All that is given goes to the command: --wait 60, --help
set -euo pipefail

here="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"
exec "$here/cryptoproxy.sh" setup --only topics "$@"
