#!/usr/bin/env bash
# Starts the whole stack in containers: Kafka, Elasticsearch, Kibana, an S3 API, set-up, poller and indexer.
# At the first start it makes random passwords in docker/.env, readable by you alone.
# All that is given goes to `docker compose up`: scripts/start_services.sh --no-build
set -euo pipefail

root="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)"
secrets="$root/docker/.env"
compose=(docker compose --file "$root/docker/docker-compose.yml")

random() { # 32 hexadecimal digits: nothing in them needs quoting anywhere
  head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n'
}

if [[ ! -e "$secrets" ]]; then
  (
    umask 077
    {
      echo "# Made by scripts/start_services.sh. The volumes know these passwords: keep them together."
      for name in ELASTIC_PASSWORD KIBANA_PASSWORD INDEXER_PASSWORD KIBANA_KEY S3_ACCESS_KEY S3_SECRET_KEY; do
        echo "$name=$(random)"
      done
    } >"$secrets.$$" # a name of its own: a file that was left here would keep its mode
    mv -- "$secrets.$$" "$secrets"
  )
  echo "made $secrets"
fi

if ! docker compose version >/dev/null 2>&1; then
  echo "Docker with its compose plugin is needed; 'make run' starts the same without it, on embedded engines" >&2
  exit 127
fi
"${compose[@]}" up --detach "$@"
"${compose[@]}" ps --all
cat <<END

Kibana          http://localhost:5601   user elastic, password ELASTIC_PASSWORD in docker/.env
Elasticsearch   http://localhost:9200
Kafka           localhost:9092
S3              http://localhost:9000
poller          http://localhost:8000/readyz
indexer         http://localhost:8001/readyz
Follow it:      docker compose -f docker/docker-compose.yml logs -f poller indexer
END
