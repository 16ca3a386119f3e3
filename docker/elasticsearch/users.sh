#!/bin/bash
# Gives Kibana its password, and makes the users of the indexer, the door and the tools with the roles of docs/security: the
# least rights that work. May be run again.
# Runs in Elasticsearch's own image, as the superuser, before anything that logs in.
set -euo pipefail

es="${ES_URL:-http://elasticsearch:9200}"
roles="${ROLES:-/roles}"

send() { # METHOD PATH BODY; the password goes by standard input, not by the list of processes
  local answer
  answer="$(printf 'user = "elastic:%s"\n' "$ELASTIC_PASSWORD" |
    curl --silent --show-error --max-time 30 --config - --output /dev/stderr --write-out '%{http_code}' \
      --request "$1" --header 'Content-Type: application/json' --data-binary "@/dev/fd/3" "$es$2" 3<<<"$3")"
  echo >&2
  if [[ "$answer" != 200 ]]; then
    echo "Elasticsearch answered $answer to $1 $2" >&2
    return 1
  fi
}

send POST /_security/user/kibana_system/_password "{\"password\": \"$KIBANA_PASSWORD\"}"
for role in crypto_indexer crypto_reader crypto_retention; do
  send PUT "/_security/role/$role" "$(<"$roles/$role.json")"
done
send PUT /_security/user/cryptoproxy-indexer "{\"password\": \"$INDEXER_PASSWORD\", \"roles\": [\"crypto_indexer\"]}"
send PUT /_security/user/cryptoproxy-door "{\"password\": \"$DOOR_PASSWORD\", \"roles\": [\"crypto_reader\"]}"
send PUT /_security/user/cryptoproxy-tools \
  "{\"password\": \"$TOOLS_PASSWORD\", \"roles\": [\"crypto_reader\", \"crypto_indexer\", \"crypto_retention\"]}"
echo "users: kibana_system, cryptoproxy-indexer, cryptoproxy-door and cryptoproxy-tools may log in"
