#!/usr/bin/env bash
# Builds the binaries of the local control plane (hack/controlplane) from the modules pinned in this folder's go.mod, since a
# plain module proxy is all that this needs to reach.
#
#   hack/kube/build.sh            builds what is missing into bin/kube/<version>-<hash> and points bin/kube/current at it
#   hack/kube/build.sh --print    prints that folder and builds nothing
#   hack/kube/build.sh --node     builds what only a real node has into another folder, and points bin/kube/node at it
#
# TOWPATH_KUBE_ASSETS=<dir> uses ready binaries instead; the folder must hold all that is listed in "wanted" below.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)/bin/kube
wanted=(etcd kube-apiserver kube-controller-manager kube-scheduler kubectl kwok stages/node stages/pod)
current=current

# A workspace file around the repository must not change which versions are built.
export CGO_ENABLED=0 GOWORK=off

SECONDS=0
step() { printf '%4ds  %s\n' "$SECONDS" "$*"; }
module_field() { go -C "$here" list -m -f "{{.$1}}" "$2"; }

missing() {
  local name
  for name in "${wanted[@]}"; do [[ -e $1/$name ]] || echo "$name"; done
}

# The link is replaced by a rename, so that a reader never finds it absent.
point_current_at() {
  local link
  link=$(mktemp -u "$root/.$current.XXXXXX")
  ln -s "$1" "$link"
  mv -T "$link" "$root/$current"
}

build() {
  local out=$1 kube=$2
  local minor=${kube#v1.}
  local pkg=k8s.io/component-base/version
  local stamp="-X $pkg.gitVersion=$kube -X $pkg.gitMajor=1 -X $pkg.gitMinor=${minor%%.*} -X $pkg.gitTreeState=clean"

  go -C "$here" build -buildvcs=false -o "$out/etcd" -ldflags "-s -w" go.etcd.io/etcd/server/v3
  step "etcd"
  local name
  for name in kubectl kube-apiserver kube-controller-manager kube-scheduler; do
    go -C "$here" build -buildvcs=false -o "$out/$name" -ldflags "-s -w $stamp" "k8s.io/kubernetes/cmd/$name"
    step "$name"
  done
  go -C "$here" build -buildvcs=false -o "$out/kwok" -ldflags "-s -w" sigs.k8s.io/kwok/cmd/kwok
  step "kwok"

  # kwok carries no behaviour of its own: its stages say how a node and a pod become ready. Files of the module cache are
  # read-only; ours must not be, or a plain rm of the folder fails.
  local stages kind
  stages=$(module_field Dir sigs.k8s.io/kwok)/kustomize/stage
  for kind in node pod; do
    mkdir -p "$out/stages/$kind"
    install -m 644 "$stages/$kind/fast/$kind"-*.yaml "$out/stages/$kind/"
  done
}

# Apart, so that tests which need no node do not wait for it.
build_node() {
  local out=$1 kube=$2
  local minor=${kube#v1.}
  local pkg=k8s.io/component-base/version
  local stamp="-X $pkg.gitVersion=$kube -X $pkg.gitMajor=1 -X $pkg.gitMinor=${minor%%.*} -X $pkg.gitTreeState=clean"

  local name
  for name in kubeadm kubelet kube-proxy; do
    go -C "$here" build -buildvcs=false -o "$out/$name" -ldflags "-s -w $stamp" "k8s.io/kubernetes/cmd/$name"
    step "$name"
  done
}

usage() { sed -n 2,9p "${BASH_SOURCE[0]}"; }

case $#:${1:-} in
0: | 1:--print | 1:--node) ;;
1:-h | 1:--help) usage; exit ;;
*)
  printf 'hack/kube/build.sh takes one of --print and --node, or nothing, and was given: %s\n' "$*" >&2
  usage >&2
  exit 2
  ;;
esac

what="Kubernetes, etcd and kwok (about ten minutes on two cores, once)" build=build prefix=
if [[ ${1:-} == --node ]]; then
  wanted=(kubeadm kubelet kube-proxy) current=node
  what="kubeadm, kubelet and kube-proxy (a few minutes on two cores, once)" build=build_node prefix=node-
fi

if [[ -n ${TOWPATH_KUBE_ASSETS:-} && $current == current ]]; then
  absent=$(missing "$TOWPATH_KUBE_ASSETS")
  if [[ -n $absent ]]; then
    echo "TOWPATH_KUBE_ASSETS=$TOWPATH_KUBE_ASSETS lacks: ${absent//$'\n'/ }" >&2
    exit 1
  fi
  target=$(cd "$TOWPATH_KUBE_ASSETS" && pwd)
  [[ ${1:-} == --print ]] && { echo "$target"; exit; }
  mkdir -p "$root"
  point_current_at "$target"
  exit
fi

kube=$(module_field Version k8s.io/kubernetes)
# All that decides about the result; not the rest of this script, or a reworded comment would cost a build.
hash=$({ cat "$here/go.mod" "$here/go.sum"; declare -f $build; go env GOVERSION GOOS GOARCH; } | sha256sum | cut -c1-12)
target=$root/$prefix$kube-$hash
[[ ${1:-} == --print ]] && { echo "$target"; exit; }

mkdir -p "$root"
# One builder at a time: two of them would compile the same for minutes, side by side.
exec 9>"$root/.lock"
flock -n 9 || { echo "another build is running; waiting for it"; flock 9; }

if [[ ! -d $target ]]; then
  echo "building into ${target#"$PWD"/}: ${what/Kubernetes/Kubernetes $kube}"
  work=$(mktemp -d "$root/.build.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  $build "$work" "$kube"
  absent=$(missing "$work")
  [[ -z $absent ]] || { echo "the build lacks: ${absent//$'\n'/ }" >&2; exit 1; }
  chmod 755 "$work"
  # Renamed only when whole: an interrupted build leaves nothing that looks finished.
  mv -T "$work" "$target"
fi
point_current_at "${target##*/}"
