#!/usr/bin/env bash
# Builds docker/Dockerfile without Docker, and runs poller and indexer in it against the embedded engines, as
# docker/docker-compose.yml runs them: read-only, without capabilities, within its memory. As root, on Debian.
#
# The base that the Dockerfile names is made of Debian's own packages by debootstrap: no registry of images is asked.
# All that is given goes to pytest: scripts/check_image.sh -k stopped
set -euo pipefail

root="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)"
store="$root/.venv/.image"
certificates=/etc/ssl/certs/ca-certificates.crt
packages=(buildah catatonit debootstrap podman runc)

if [[ "$(id -u)" != 0 ]]; then
  echo "debootstrap and the container's limits need root: sudo $0" >&2
  exit 1
fi
if ! dpkg -s "${packages[@]}" >/dev/null 2>&1; then
  echo "installing Debian packages: ${packages[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi

mkdir -p "$store"
storage=(--root "$store/storage" --runroot "$store/run" --storage-driver overlay)
base="$(awk '$1 == "FROM" {print $2; exit}' "$root/docker/Dockerfile")"
release="${base##*-}" # bookworm, whose Python is 3.11 too

if ! buildah "${storage[@]}" inspect --type image "$base" >/dev/null 2>&1; then
  echo "making a base in place of $base (a minute, once)"
  # shellcheck disable=SC2016 # apt's own variables
  mirror="$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' | awk -v of="$release" '$2 == of {print $1; exit}')"
  rm -rf "$store/base"
  debootstrap --variant=minbase --include=ca-certificates,python3,python3-pip,python3-venv "$release" "$store/base" \
    ${mirror:+"$mirror"} >"$store/debootstrap.log" 2>&1 || { tail -n 20 "$store/debootstrap.log" >&2; exit 1; }
  rm -f "$store"/base/usr/lib/python3*/EXTERNALLY-MANAGED # as in the image that it stands for
  ln -s /usr/bin/python3 "$store/base/usr/local/bin/python"
  container="$(buildah "${storage[@]}" from scratch)"
  buildah "${storage[@]}" add --quiet "$container" "$store/base" / >/dev/null
  buildah "${storage[@]}" config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
  buildah "${storage[@]}" commit --quiet --format docker "$container" "docker.io/library/$base" >/dev/null
  buildah "${storage[@]}" rm "$container" >/dev/null
  rm -rf "$store/base"
fi

echo "building docker/Dockerfile (two minutes)"
mounts=()
[[ ! -e "$certificates" ]] || mounts+=(--volume "$certificates:$certificates:ro") # who reaches PyPI through a proxy of one's own
[[ ! -e /etc/pip.conf ]] || mounts+=(--volume /etc/pip.conf:/etc/pip.conf:ro)
buildah "${storage[@]}" bud --quiet --isolation chroot --format docker --pull-never "${mounts[@]}" \
  --tag cryptoproxy:check --file "$root/docker/Dockerfile" "$root"
buildah "${storage[@]}" rmi --prune >/dev/null # what an earlier build has left

cd "$root"
# No systemd, no daemon, no bridge: what is left of a container without them is what is to be tested.
export PODMAN="podman ${storage[*]} --cgroup-manager cgroupfs --runtime runc --events-backend file"
exec .venv/bin/python -m pytest tests/image "$@"
