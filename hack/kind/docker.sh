#!/usr/bin/env bash
# Docker for kind, on a machine where none runs by itself.
#
#   hack/kind/docker.sh start      starts dockerd unless a daemon answers
#   hack/kind/docker.sh stop       ends the dockerd that start started, and no other
#   hack/kind/docker.sh builder    prints a docker command that builds with BuildKit
set -euo pipefail

state=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/bin/kind
pidfile=$state/dockerd.pid

answers() { docker version >/dev/null 2>&1; }

start() {
  answers && return
  command -v docker >/dev/null && command -v dockerd >/dev/null && [[ $(id -u) == 0 ]] || {
    echo "no Docker daemon answers. Start yours; or, as root: apt-get install --no-install-recommends docker.io" >&2
    exit 1
  }
  mkdir -p "$state"
  echo "starting dockerd (log: ${state#"$PWD"/}/dockerd.log)"
  # In a session of its own: it outlives make, and a Ctrl-C there is not meant for it.
  setsid nohup dockerd --pidfile "$pidfile" </dev/null >"$state/dockerd.log" 2>&1 &
  local pid=$!
  for _ in $(seq 120); do
    answers && return
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.5
  done
  echo "dockerd does not answer:" >&2
  tail -n 5 "$state/dockerd.log" >&2
  exit 1
}

stop() {
  local pid
  pid=$(cat "$pidfile" 2>/dev/null) || return 0
  # A pid of an earlier boot may be somebody else's by now.
  [[ $(cat "/proc/$pid/comm" 2>/dev/null) == dockerd ]] || { rm -f "$pidfile"; return 0; }
  if [[ -n $(docker ps -q) ]]; then
    echo "dockerd goes on, since containers run" >&2
    return 0
  fi
  kill "$pid"
  while kill -0 "$pid" 2>/dev/null; do sleep 0.2; done
  rm -f "$pidfile"
}

# A client of Docker 23 or newer needs a plugin for it, which may be missing beside one that does not.
builder() {
  local candidate probe
  while IFS= read -r candidate; do
    if probe=$(DOCKER_BUILDKIT=1 "$candidate" build -q - <<<$'FROM scratch\nLABEL probe=1' 2>/dev/null); then
      docker rmi "$probe" >/dev/null
      echo "$candidate"
      return
    fi
  done < <(type -ap docker)
  echo "no docker on PATH builds with BuildKit (is the buildx plugin installed?)" >&2
  exit 1
}

usage() { sed -n 2,6p "${BASH_SOURCE[0]}"; }

case $#:${1:-} in
1:start | 1:stop | 1:builder) "$1" ;;
1:-h | 1:--help) usage ;;
*) usage >&2; exit 2 ;;
esac
