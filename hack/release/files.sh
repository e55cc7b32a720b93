#!/usr/bin/env bash
# Gathers what a release consists of, in the folder that it is given. For make release-files, which has built image and
# chart before, and names the rest in the environment.
#
#   hack/release/files.sh build/release
#
# Nothing of it may depend on when, where or by whom it is made: make test-reproducible compares two.
set -euo pipefail
umask 022
export LC_ALL=C

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
out=$1
cli=build/cli
url=${RELEASE_URL:-https://github.com/towpath-dev/towpath/releases/download/$VERSION}

rm -rf "$out" "$cli"
mkdir -p "$out" "$cli"
out=$(cd "$out" && pwd)

archive() { tar --sort=name --mtime="$DATE" --owner=0 --group=0 --numeric-owner --mode='u+rw,go=rX' --format=ustar "$@" | gzip -n; }

for platform in $CLI_PLATFORMS; do
  os=${platform%/*} name=towpath-${platform/\//-} suffix=
  [[ $os != windows ]] || suffix=.exe
  echo "building the CLI for $platform"
  CGO_ENABLED=0 GOOS=$os GOARCH=${platform#*/} go build -trimpath -ldflags "$LDFLAGS" -o "$cli/$name$suffix" ./cmd/towpath
  archive --transform="s/^$name/towpath/" -c -C "$cli" "$name$suffix" -C "$root" LICENSE >"$out/$name.tar.gz"
done
managers=()
for platform in ${PLATFORMS//,/ }; do
  managers+=("$out/towpath-manager-${platform/\//-}")
  cp "$BIN/image/${platform/\//-}/manager" "${managers[-1]}"
done
cp build/image/towpath-manager-image.tar "$out/"
cp build/image/digest "$out/towpath-manager-image.digest"

# Where it is known where the image will be, manifests and chart name it, by its digest.
manifests=config/default
if [[ -n ${REPOSITORY:-} ]]; then
  digest=$(<build/image/digest)
  manifests=$BIN/_release
  mkdir -p "$manifests"
  printf '%s\n' 'resources: [../../config/default]' 'sortOptions: {order: fifo}' 'images:' \
    "- {name: towpath, newName: $REPOSITORY, digest: $digest}" >"$manifests/kustomization.yaml"
  values=build/chart/towpath/values.yaml
  sed -i -e "s|^  repository: towpath\$|  repository: $REPOSITORY|" -e "s|^  digest: \"\"\$|  digest: $digest|" "$values"
  grep -q "repository: $REPOSITORY" "$values" && grep -q "digest: $digest" "$values" || {
    echo "$values does not name the image" >&2
    exit 1
  }
fi
"$BIN/kustomize" build "$manifests" >"$out/towpath.yaml"
archive -c -C build/chart towpath >"$out/towpath-chart.tgz"

go -C hack/release run ./sbom -version "$VERSION" -created "$DATE" -out "$out" "${managers[@]}" "$root/$cli"/*
go -C hack/release run ./krew -version "$VERSION" -url "$url" "$out"/towpath-*.tar.gz >"$out/towpath-krew.yaml"

# Of this version, or of what is not released yet.
section() { awk -v head="## [$1]" 'index($0, head) == 1 {on = 1; next} /^## \[/ {on = 0} on' CHANGELOG.md; }
notes=$(section "${VERSION#v}")
[[ -n $notes ]] || notes=$(section Unreleased)
printf '%s\n' "$notes" >build/release-notes.md

cd "$out"
sha256sum -- * >checksums.txt
cat checksums.txt
