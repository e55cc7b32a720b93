#!/usr/bin/env bash
# Makes a release twice, of two clones in folders of other names, and compares all that it consists of.
#
#   hack/release/reproducible.sh [--share-cache] [CLI_PLATFORMS=linux/amd64 ...]
#
# The second build compiles everything anew, as on another machine. With --share-cache it takes what the first one compiled:
# minutes instead of an hour on a small machine, and what is linked, packed and written is compared alone. What else it is
# given goes to make, such as fewer platforms.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT

# The work may go on here meanwhile.
commit=$(git -C "$root" rev-parse HEAD)
first=$work/first second=$work/elsewhere/the-second
for clone in "$first" "$second"; do
  git clone -q "$root" "$clone"
  git -C "$clone" checkout -q --detach "$commit"
done

# Not those of the make that calls: each clone says by itself which version it is.
unset MAKEFLAGS MAKELEVEL
share=0
if [[ ${1:-} == --share-cache ]]; then
  share=1
  shift
fi
arguments=(VERSION=v0.0.0-reproducible REPOSITORY=registry.example/towpath/manager "$@")
build() { make --no-print-directory -C "$1" release-files "${arguments[@]}"; }

build "$first"
# What it is made with is big, and the same for both.
mkdir -p "$second/bin"
cp "$first/bin/goreleaser" "$second/bin/"
[[ $share == 1 ]] || export GOCACHE=$work/cache
# Another zone, mask and language, too.
(umask 077; export TZ=Asia/Kolkata LC_ALL=C.UTF-8; build "$second")

# All files, for one is not among the checksums of a release: krew's manifest.
sums() { (cd "$1/build/release" && sha256sum -- *); }
diff <(sums "$first") <(sums "$second") || {
  echo "two builds of one commit differ" >&2
  exit 1
}
echo "two builds of ${commit:0:8} are the same: $(sums "$first" | wc -l) files, image $(<"$first/build/image/digest")"
