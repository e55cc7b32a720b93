#!/usr/bin/env bash
# Gathers what a release consists of, in the folder that it is given. For make release-files, which has built image, chart and
# tools before, and names the rest in the environment. The CLI's archives and SBOMs, checksums, signature and krew's manifest
# are goreleaser's: .goreleaser.yaml.
#
#   hack/release/files.sh build/release
#
# Nothing of it may depend on when, where or by whom it is made: make test-reproducible compares two.
set -euo pipefail
umask 022
export LC_ALL=C

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
if (($# != 1)) || [[ -z $1 || -z ${VERSION:-} || -z ${DATE:-} || -z ${LDFLAGS:-} || -z ${PLATFORMS:-} || -z ${BIN:-} ]]; then
  echo 'usage: make release-files VERSION=v1.2.3, which tells hack/release/files.sh folder, platforms, date and flags' >&2
  exit 2
fi
out=$1
parts=build/parts dist=build/goreleaser # as .goreleaser.yaml has them
export RELEASE_URL=${RELEASE_URL:-https://github.com/towpath-dev/towpath/releases/download/$VERSION}

rm -rf "$out" "$parts"
mkdir -p "$out" "$parts"

for platform in ${PLATFORMS//,/ }; do
  manager=towpath-manager-${platform/\//-}
  cp "$BIN/image/${platform/\//-}/manager" "$parts/$manager"
  cp "$BIN/image/${platform/\//-}/licenses/THIRD_PARTY_LICENSES.txt" "$parts/$manager.licenses.txt"
  "$BIN/sbom" -version "$VERSION" -created "$DATE" "$parts/$manager" "$parts/$manager.spdx.json"
done
cp build/image/towpath-manager-image.tar "$parts/"
cp build/image/digest "$parts/towpath-manager-image.digest"

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
"$BIN/kustomize" build "$manifests" >"$parts/towpath.yaml"
tar --sort=name --mtime="$DATE" --owner=0 --group=0 --numeric-owner --mode='u+rw,go=rX' --format=ustar \
  -c -C build/chart towpath | gzip -n >"$parts/towpath-chart.tgz"

# goreleaser knows platforms by its file alone: fewer of them are fewer lines of it.
config=$(while IFS= read -r line; do
  if [[ $line =~ ^' '*-' '([a-z]+)_([a-z0-9]+)$ && -n ${CLI_PLATFORMS:-} ]]; then
    [[ " $CLI_PLATFORMS " == *" ${BASH_REMATCH[1]}/${BASH_REMATCH[2]} "* ]] || continue
  fi
  printf '%s\n' "$line"
done <.goreleaser.yaml)

# Beside the binary in each archive. What is linked differs by system: on windows it is more.
rm -rf build/licences
go -C hack/tools run ./licences -platforms "$(hack/release/cli-platforms.sh , <<<"$config")" \
  -texts "$root/build/licences/%/THIRD_PARTY_LICENSES.txt" "$root" ./cmd/towpath

# Of a tag that this commit bears, goreleaser sees to it that nothing else is in the tree. All else is a snapshot to it. krew takes
# nothing but a semantic version; a build between releases is none that anybody installs by it.
arguments=(--config - --clean --parallelism 2 --timeout 4h)
skip=publish
if [[ -n $(git tag --points-at HEAD --list "$VERSION" 2>/dev/null) ]]; then
  export GORELEASER_CURRENT_TAG=$VERSION
else
  arguments+=(--snapshot)
fi
[[ -n ${KEY:-}${KEYLESS:-} ]] || skip+=,sign
RELEASE_VERSION=${VERSION#v}
[[ $RELEASE_VERSION =~ ^[0-9]+\.[0-9]+\.[0-9]+ ]] || RELEASE_VERSION=0.0.0-build-${RELEASE_VERSION//[^0-9A-Za-z-]/-}
TIMESTAMP=$(date -d "$DATE" +%s)
export RELEASE_VERSION TIMESTAMP
# A zip has times of a zone.
TZ=UTC "$BIN/goreleaser" release "${arguments[@]}" --skip="$skip" <<<"$config"

# Of this version, or of what is not released yet.
section() { awk -v head="## [$1]" 'index($0, head) == 1 {on = 1; next} /^## \[/ {on = 0} on' CHANGELOG.md; }
notes=$(section "${VERSION#v}")
[[ -n $notes ]] || notes=$(section Unreleased)
printf '%s\n' "$notes" >build/release-notes.md

shopt -s nullglob
cp "$parts"/* "$dist"/towpath-*.{tar.gz,zip,spdx.json} "$dist"/checksums.txt* "$out/"
cp "$dist/krew/towpath.yaml" "$out/towpath-krew.yaml"
cd "$out"
sha256sum --check --quiet --strict checksums.txt
cat checksums.txt
