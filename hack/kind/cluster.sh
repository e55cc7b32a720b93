#!/usr/bin/env bash
# The kind cluster "towpath": with kind's own node image where a registry can be reached, else with ours.
#
#   hack/kind/cluster.sh up             makes the cluster, or goes on with the one there is
#   hack/kind/cluster.sh load IMAGE…    copies images of Docker into its node
#   hack/kind/cluster.sh logs DIR       copies the logs of its node there
#   hack/kind/cluster.sh down           removes it, and ends dockerd where up has started it
#
# Its kubeconfig is bin/kind/kubeconfig; nobody's own is touched. KIND_IMAGE=<image> names the node image.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
state=$(cd "$here/../.." && pwd)/bin/kind
name=towpath
kind=$state/kind
export KUBECONFIG=$state/kubeconfig

# kind's default, which stands in its sources.
stock_image() {
  sed -nE 's/^const Image = "(.*)"$/\1/p' "$(go -C "$here/tools" list -m -f '{{.Dir}}' sigs.k8s.io/kind)/pkg/apis/config/defaults/image.go"
}

# A registry can be used where it hands out the image: a mirror may answer and not have it.
node_image() {
  local stock
  stock=$(stock_image)
  if docker image inspect "$stock" >/dev/null 2>&1 || timeout "${KIND_PULL_TIMEOUT:-600}" docker pull -q "$stock" >&2; then
    echo "$stock"
    return
  fi
  echo "no registry has kind's node image for this machine: using the one that is built here" >&2
  "$here/node-image.sh" build >&2
  "$here/node-image.sh" name
}

# Whatever runs a node, or runs something in one, goes through the shim where this Docker cannot give --privileged.
use_shim_if_needed() {
  local image=$1
  docker run --rm --privileged --entrypoint /bin/true "$image" >/dev/null 2>&1 || export PATH=$here/shim:$PATH
}

running_image() { docker inspect -f '{{.Config.Image}}' "$name-control-plane" 2>/dev/null; }

up() {
  "$here/docker.sh" start
  local image
  if image=$(running_image); then
    docker start "$name-control-plane" >/dev/null
    use_shim_if_needed "$image"
    "$kind" export kubeconfig --name "$name" --kubeconfig "$KUBECONFIG"
  else
    image=${KIND_IMAGE:-$(node_image)}
    use_shim_if_needed "$image"
    "$kind" create cluster --name "$name" --config "$here/cluster.yaml" --image "$image" --kubeconfig "$KUBECONFIG" --wait 5m
  fi
}

load() {
  use_shim_if_needed "$(running_image)"
  "$kind" load docker-image --name "$name" "$@"
}

logs() {
  use_shim_if_needed "$(running_image)"
  "$kind" export logs --name "$name" "$1"
}

down() {
  if docker version >/dev/null 2>&1; then
    "$kind" delete cluster --name "$name" --kubeconfig "$KUBECONFIG"
  fi
  "$here/docker.sh" stop
}

case ${1:-} in
up | load | logs | down) "$@" ;;
*) sed -n 2,9p "${BASH_SOURCE[0]}"; exit 2 ;;
esac
