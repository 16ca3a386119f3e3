#!/usr/bin/env bash
# Starts the whole stack in containers: Kafka, Elasticsearch, Kibana, an S3 API, set-up, poller, indexer, door and watch.
# At the first start it makes random passwords in docker/.env, readable by you alone. Needs Compose 2.24 or newer.
# All that is given goes to `docker compose up`: scripts/start_services.sh --no-build
set -euo pipefail

root="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)"
secrets="$root/docker/.env"
compose=(docker compose --file "$root/docker/docker-compose.yml")

random() { # 32 hexadecimal digits: nothing in them needs quoting anywhere
  head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n'
}

if ! version="$(docker compose version --short 2>/dev/null)"; then
  echo "Docker with its compose plugin is needed. Without: 'make run', poller and indexer on embedded engines (no Kibana," \
    "no users)" >&2
  exit 127
fi
if [[ "$version" =~ ^v?([0-9]+)\.([0-9]+) ]] && ((BASH_REMATCH[1] < 2 || BASH_REMATCH[1] == 2 && BASH_REMATCH[2] < 24)); then
  echo "Compose $version is too old: 2.24 or newer is needed (docker compose version)" >&2
  exit 1
fi

# What is there already stays: a password that a newer version of the stack needs is added.
(
  umask 077
  [[ -e "$secrets" ]] ||
    echo "# Made by scripts/start_services.sh. The volumes know these passwords: keep them together." >"$secrets"
  for name in ELASTIC_PASSWORD KIBANA_PASSWORD INDEXER_PASSWORD DOOR_PASSWORD TOOLS_PASSWORD ASK_TOKEN KIBANA_KEY S3_ACCESS_KEY S3_SECRET_KEY; do
    [[ "$(<"$secrets")" == *"$name="* ]] || echo "$name=$(random)" >>"$secrets"
  done
  chmod 600 -- "$secrets" # whatever file was here before
)
# The tools run as a user of the image, who must be able to write here.
mkdir -p -- "$root/docker/out" && chmod 1777 -- "$root/docker/out"

"${compose[@]}" up --detach "$@"
"${compose[@]}" ps --all
cat <<END

Kibana          http://localhost:5601   user elastic, password ELASTIC_PASSWORD in docker/.env
Elasticsearch   http://localhost:9200
Kafka           localhost:9092
S3              http://localhost:9000
poller          http://localhost:8000/readyz
indexer         http://localhost:8001/readyz
door            http://localhost:8080/coingecko/api/v3/ping   (health: 8002)
watch           http://localhost:8003/readyz
Follow it:      docker compose -f docker/docker-compose.yml logs -f poller indexer serve watch
Does it work?   docker compose -f docker/docker-compose.yml run --rm tools status
END
