#!/usr/bin/env bash
# Makes the images of the kind suite, and loads them into the cluster: the manager, and test/kind/app in each of its
# versions. Prints the manager's image last, whose tag is of its content, so that another one rolls the Deployment.
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

make --no-print-directory docker-build BINARY=host DOCKER="$docker" IMG=towpath:kind >&2
id=$("$docker" image inspect -f '{{.Id}}' towpath:kind)
manager=towpath:kind-${id:7:12}
"$docker" tag towpath:kind "$manager"
hack/kind/cluster.sh load "${images[@]}" "$manager" >&2
echo "$manager"
