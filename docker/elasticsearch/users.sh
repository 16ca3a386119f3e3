#!/bin/bash
# Gives Kibana its password, and makes the indexer's user with the least rights that work. May be run again.
# Runs in Elasticsearch's own image, as the superuser, before anything that logs in.
set -euo pipefail

es="${ES_URL:-http://elasticsearch:9200}"

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
send PUT /_security/role/cryptoproxy-indexer '{
  "cluster": ["monitor"],
  "indices": [{"names": ["crypto-prices", "crypto-prices-*"],
               "privileges": ["create_doc", "auto_configure", "view_index_metadata"]}]
}'
send PUT /_security/user/cryptoproxy-indexer "{\"password\": \"$INDEXER_PASSWORD\", \"roles\": [\"cryptoproxy-indexer\"]}"
echo "users: kibana_system and cryptoproxy-indexer may log in"
