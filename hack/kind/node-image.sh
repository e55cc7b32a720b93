#!/usr/bin/env bash
# The node image for machines without a registry: Debian packages, Go modules, and the files of the kind module. It does
# what kind's own images/base/Dockerfile and "kind build node-image" do, without what these fetch from elsewhere.
#
#   hack/kind/node-image.sh build       builds it, unless Docker has it
#   hack/kind/node-image.sh binaries    builds only what goes into it
#   hack/kind/node-image.sh name        prints its name, whose tag says what it was built from
#
# Needs Go, root, debootstrap, jq and a Docker daemon. README.md says why things are as they are.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$root/bin/kind/node
tools=$work/bin                   # what hack/kind/tools builds
control_plane=$root/bin/kube/current
node=$root/bin/kube/node

suite=bookworm # systemd of later ones drops cgroup v1
packages=systemd,conntrack,iptables,nftables,iproute2,ethtool,util-linux,mount,kmod,libseccomp2,pigz,e2fsprogs,bash,ca-certificates,curl,jq,procps,runc

export CGO_ENABLED=0 GOWORK=off
SECONDS=0
step() { printf '%4ds  %s\n' "$SECONDS" "$*"; }
module_field() { go -C "$here/$1" list -m -f "{{.$3}}" "$2"; }
kube_version() { module_field ../kube k8s.io/kubernetes Version; }

name() {
  local hash
  hash=$(cd "$here" && { cat node-image.sh node/* cluster/go.mod ../kube/go.mod ../kube/go.sum && find tools -type f -print0 | sort -z | xargs -0 cat; } | sha256sum | cut -c1-12)
  echo "towpath-kind-node:$(kube_version)-$hash"
}

binaries() {
  # etcd, API server, controllers, scheduler and kubectl are those of the test control plane.
  "$root/hack/kube/build.sh"
  "$root/hack/kube/build.sh" --node
  mkdir -p "$tools"
  local containerd=github.com/containerd/containerd/v2 cni=github.com/containernetworking/plugins/plugins
  go -C "$here/tools" build -buildvcs=false -o "$tools/" -ldflags "-s -w" sigs.k8s.io/cri-tools/cmd/crictl ./pause ./coredns ./volumes ./policies \
    $cni/ipam/host-local $cni/main/loopback $cni/main/ptp $cni/meta/portmap
  step "crictl, pause, coredns, volumes, policies, network plugins"
  go -C "$here/tools" build -buildvcs=false -o "$tools/" -tags "no_aufs no_zfs no_btrfs no_devmapper" \
    -ldflags "-s -w -X $containerd/version.Version=$(module_field tools $containerd Version)" \
    $containerd/cmd/containerd $containerd/cmd/ctr $containerd/cmd/containerd-shim-runc-v2
  step "containerd"
}

# Debian once: the packages take a minute to fetch.
debian() {
  [[ -e rootfs.done ]] && return
  local mirror
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Codename: $suite" | head -n 1)
  rm -rf rootfs
  debootstrap --variant=minbase --include=$packages $suite rootfs ${mirror:+"$mirror"} >debootstrap.log 2>&1 || { tail debootstrap.log >&2; exit 1; }
  touch rootfs.done
}

# Debian, kind's files, and the binaries, as a folder.
base_folder() {
  local kind
  go -C "$here/cluster" mod download sigs.k8s.io/kind
  kind=$(module_field cluster sigs.k8s.io/kind Dir)/images/base/files
  rm -rf base
  cp -a --reflink=auto rootfs base
  cp -r --no-preserve=mode "$kind"/. base/
  chmod 755 base/kind/bin/* base/usr/local/bin/*
  (
    cd base
    rm -rf var/cache/apt/* var/lib/apt/lists/* usr/share/{doc,man,locale}/* var/log/* tmp/* var/tmp/*
    rm -f lib/systemd/system/{multi-user,local-fs,basic}.target.wants/* etc/systemd/system/*.wants/* \
      lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service lib/systemd/system/sockets.target.wants/*{udev,initctl}*
    echo ReadKMsg=no >>etc/systemd/journald.conf
    ln -sf /usr/lib/systemd/systemd sbin/init
    mkdir -p etc/kubernetes/manifests etc/cni/net.d opt/cni/bin kind/manifests
  )
  systemctl --root="$PWD/base" enable kubelet containerd undo-mount-hacks >/dev/null 2>&1
  systemctl --root="$PWD/base" mask systemd-binfmt >/dev/null 2>&1

  install -m 755 "$tools"/{containerd,containerd-shim-runc-v2,ctr,crictl} base/usr/local/bin/
  install -m 755 "$tools"/{host-local,loopback,ptp,portmap} base/opt/cni/bin/
  install -m 755 "$node"/{kubeadm,kubelet} "$control_plane/kubectl" base/usr/bin/
  install -m 755 "$here/node/entrypoint" base/kind/bin/entrypoint
  install -m 644 "$here/node/10-ptp.conflist" base/etc/cni/net.d/
  install -m 644 "$here"/node/default-*.yaml base/kind/manifests/
  chroot base ctr oci spec 2>/dev/null |
    jq '.hooks.createContainer += [{"path":"/kind/bin/mount-product-files.sh"}] | del(.process.rlimits)' >base/etc/containerd/cri-base.json
  kube_version | tr -d '\n' >base/kind/version
}

# What kube-proxy and policies call, of Debian, with the libraries of iptables' extensions too: without one of these, a Service of two
# endpoints fails without a word.
iptables_into() {
  local file command suffix
  for file in $(chroot base sh -c 'x=$(echo /usr/lib/*/xtables/*.so); ls $x; ldd /usr/sbin/xtables-*-multi /usr/sbin/nft $x' | grep -oE '/[^ :]+\.so[.0-9]*' | sort -u); do
    mkdir -p "$1${file%/*}"
    cp -L "base$file" "$1$file"
  done
  mkdir -p "$1"/{usr/sbin,tmp,run,etc}
  cp base/usr/sbin/{xtables-nft-multi,xtables-legacy-multi,nft} "$1/usr/sbin/"
  for command in iptables ip6tables; do
    for suffix in '' -save -restore; do
      ln -s xtables-nft-multi "$1/usr/sbin/$command$suffix"
      ln -s xtables-nft-multi "$1/usr/sbin/$command-nft$suffix"
      ln -s xtables-legacy-multi "$1/usr/sbin/$command-legacy$suffix"
    done
  done
}

# The images that kubeadm asks for, by the names it asks for, and those of volumes and policies: each a static binary. They never leave
# the node.
pod_images=()
pod_image() {
  local reference=$1 binary=$2
  shift 2
  rm -rf image
  mkdir -p image/usr/local/bin
  install -m 755 "$binary" image/usr/local/bin/
  case ${binary##*/} in
  kube-proxy | policies) iptables_into image ;;
  coredns) mkdir -p image/etc/ssl && cp -aL base/etc/ssl/certs image/etc/ssl/ ;;
  esac
  tar -C image -c . | docker import -c 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' "$@" - "$reference" >/dev/null
  pod_images+=("$reference")
  rm -rf image
}

make_pod_images() {
  local reference short sandbox
  sandbox=$(sed -nE 's/.*sandbox_image = "(.*)"/\1/p' base/etc/containerd/config.toml)
  pod_image "$sandbox" "$tools/pause" -c 'USER 65535:65535' -c 'ENTRYPOINT ["/usr/local/bin/pause"]'
  pod_image "$(sed -nE 's/^ +image: (.*)$/\1/p' "$here/node/default-storage.yaml")" "$tools/volumes" -c 'ENTRYPOINT ["/usr/local/bin/volumes"]'
  pod_image "$(sed -nE 's/^ +image: (.*)$/\1/p' "$here/node/default-cni.yaml")" "$tools/policies" -c 'ENTRYPOINT ["/usr/local/bin/policies"]'
  for reference in $(chroot base kubeadm config images list --kubernetes-version "$(kube_version)"); do
    short=${reference##*/}
    short=${short%%:*}
    case $short in
    pause) ;; # containerd's is the one that is used
    coredns) pod_image "$reference" "$tools/coredns" -c 'ENTRYPOINT ["/usr/local/bin/coredns"]' ;;
    kube-proxy) pod_image "$reference" "$node/kube-proxy" ;;
    *) pod_image "$reference" "$control_plane/$short" ;;
    esac
  done
}

# Runs the base image, has its containerd take in the pod images, and keeps what came of it.
commit() {
  local image=$1 base=$2 entrypoint=$3 container
  # Docker 20.10 cannot set the signal in import or commit; a container hands it on.
  container=$(docker run -d --stop-signal SIGRTMIN+3 --entrypoint sleep --security-opt seccomp=unconfined "$base" infinity)
  docker exec "$container" bash -c 'nohup containerd >/dev/null 2>&1 &
    for _ in $(seq 150); do ctr version >/dev/null 2>&1 && exit; sleep 0.2; done; exit 1'
  docker save "${pod_images[@]}" |
    docker exec -i "$container" ctr -n k8s.io images import --label=io.cri-containerd.pinned=pinned --all-platforms --no-unpack --digests - >import.log 2>&1 ||
    { tail import.log >&2; exit 1; }
  docker exec "$container" sh -c 'kill $(pidof containerd); while pidof containerd >/dev/null; do sleep 0.1; done'
  docker commit --change "$entrypoint" "$container" "$image" >/dev/null
  docker rm -f -v "$container" >/dev/null
}

# What is missing is said before the first twenty minutes, not after them.
needs() {
  local command absent=()
  for command in debootstrap jq docker systemctl; do
    command -v "$command" >/dev/null || absent+=("$command")
  done
  if [[ ${#absent[@]} != 0 ]]; then
    echo "the node image cannot be built without ${absent[*]} (Debian: apt-get install --no-install-recommends debootstrap jq docker.io systemd)" >&2
    exit 1
  fi
  if [[ $(id -u) != 0 ]]; then
    echo "the node image can be built by root alone: debootstrap and chroot need it. Call make kind-node-image as root, once; or name an image in KIND_IMAGE" >&2
    exit 1
  fi
}

build() {
  local image base entrypoint='ENTRYPOINT ["/kind/bin/entrypoint","/usr/local/bin/entrypoint","/sbin/init"]'
  image=$(name)
  if docker image inspect "$image" >/dev/null 2>&1; then return; fi
  needs
  echo "building $image (about 20 minutes on two cores, once; then a minute)"
  binaries
  cd "$work"
  debian
  step "Debian $suite, $(du -sh rootfs | cut -f1)"
  base_folder
  base=$image-base
  tar -C base -c . | docker import -c 'ENV container=docker' -c "$entrypoint" - "$base" >/dev/null
  step "$base"
  make_pod_images
  step "${pod_images[*]}"
  commit "$image" "$base" "$entrypoint"
  docker rmi "${pod_images[@]}" "$base" >/dev/null
  rm -rf base
  step "$image"
}

case ${1:-} in
build | binaries | name) "$1" ;;
*) sed -n 2,9p "${BASH_SOURCE[0]}"; exit 2 ;;
esac
