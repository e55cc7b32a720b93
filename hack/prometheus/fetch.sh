#!/usr/bin/env bash
# Takes the binaries of Prometheus from Debian's package, without installing that: nothing is started, and nothing on the
# machine changes.
#
#   hack/prometheus/fetch.sh FOLDER     writes prometheus and promtool to FOLDER
#
# TOWPATH_PROMETHEUS=<file> and TOWPATH_PROMTOOL=<file> have tests use others.
set -euo pipefail

folder=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for tool in apt-get dpkg-deb; do
  command -v "$tool" >/dev/null || { echo "$tool is not here: set TOWPATH_PROMETHEUS and TOWPATH_PROMTOOL to binaries of Prometheus, 2.42 or later" >&2; exit 1; }
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
mkdir -p "$folder"
for name in promtool prometheus; do
  install -m 755 "tree/usr/bin/$name" "$folder/$name.new"
  mv -f "$folder/$name.new" "$folder/$name"
done
"$folder/prometheus" --version 2>&1 | head -1
