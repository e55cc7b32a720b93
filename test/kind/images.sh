#!/usr/bin/env bash
# Makes the images of the kind suite, and loads them into the cluster: the manager, test/kind/app in each of its versions, and
# test/kind/forge, which stands for a forge and for the tools of Builds. Prints the manager's image last, whose tag is of its content, so that another one rolls the Deployment.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
docker=$(hack/kind/docker.sh builder)

# No registry has this name: what is not in the node cannot be pulled.
app=app.test/towpath/app
folder=bin/kind/app
mkdir -p "$folder"
CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$folder/app" ./test/kind/app
images=()
build() {
  DOCKER_BUILDKIT=1 "$docker" build -q -f test/kind/app/Dockerfile -t "$app:$1" --build-arg VERSION="$1" --build-arg FAIL="$2" "$folder" >/dev/null
  images+=("$app:$1")
}
build 1 ''
build 2 ''
build crash crash
build unready ready
build memory memory

# Git and a shell: of Debian's image where a registry has it, else of Debian's packages, once.
forge_base=towpath-forge-base:bookworm
if ! "$docker" image inspect "$forge_base" >/dev/null 2>&1; then
  if timeout "${KIND_PULL_TIMEOUT:-600}" "$docker" pull -q debian:bookworm-slim >&2; then
    printf '%s\n' 'FROM debian:bookworm-slim' 'RUN apt-get update && apt-get install -y --no-install-recommends git ca-certificates && rm -rf /var/lib/apt/lists/*' |
      "$docker" build -q -t "$forge_base" - >&2
  else
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' | head -n 1)
    rm -rf bin/kind/forge-root
    debootstrap --variant=minbase --include=git,ca-certificates bookworm bin/kind/forge-root ${mirror:+"$mirror"} >bin/kind/debootstrap.log 2>&1 ||
      { tail bin/kind/debootstrap.log >&2; exit 1; }
    rm -rf bin/kind/forge-root/{var/cache/apt,var/lib/apt/lists,usr/share/doc,usr/share/man,usr/share/locale}/*
    tar -C bin/kind/forge-root -c . | "$docker" import -c 'ENV PATH=/usr/local/bin:/usr/bin:/bin' - "$forge_base" >/dev/null
    rm -rf bin/kind/forge-root
  fi
fi
folder=bin/kind/forge
mkdir -p "$folder/bin"
CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$folder/bin/forge" ./test/kind/forge
for tool in buildctl syft grype cosign; do ln -sf forge "$folder/bin/$tool"; done
cp bin/kind/app/app "$folder/app"
DOCKER_BUILDKIT=1 "$docker" build -q -f test/kind/forge/Dockerfile -t app.test/towpath/forge:1 --build-arg BASE="$forge_base" "$folder" >/dev/null
images+=(app.test/towpath/forge:1)

make --no-print-directory docker-build BINARY=host DOCKER="$docker" IMG=towpath:kind >&2
id=$("$docker" image inspect -f '{{.Id}}' towpath:kind)
manager=towpath:kind-${id:7:12}
"$docker" tag towpath:kind "$manager"
bin/kind/cluster load "${images[@]}" "$manager" >&2
echo "$manager"
