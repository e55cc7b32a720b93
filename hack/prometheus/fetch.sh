#!/usr/bin/env bash
# Takes the binary of Prometheus from Debian's package, without installing that: nothing is started, and nothing on the
# machine changes.
#
#   hack/prometheus/fetch.sh FILE     writes the binary to FILE
#
# TOWPATH_PROMETHEUS=<file> has tests use another one.
set -euo pipefail

out=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for tool in apt-get dpkg-deb; do
  command -v "$tool" >/dev/null || { echo "$tool is not here: set TOWPATH_PROMETHEUS to a binary of Prometheus, 2.42 or later" >&2; exit 1; }
done

# The sandbox user of apt must be able to write there.
chmod 777 "$work"
cd "$work"
if ! apt-get download -qq prometheus 2>/dev/null; then
  sudo=()
  [[ $(id -u) == 0 ]] || sudo=(sudo)
  "${sudo[@]}" apt-get update -qq
  apt-get download -qq prometheus
fi
dpkg-deb -x prometheus_*.deb tree
mkdir -p "$(dirname "$out")"
install -m 755 tree/usr/bin/prometheus "$out.new"
mv -f "$out.new" "$out"
"$out" --version 2>&1 | head -1
