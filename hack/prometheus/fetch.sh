#!/usr/bin/env bash
# Takes binaries of Prometheus and Alertmanager from Debian's packages, without installing those: nothing is started, and
# nothing on the machine changes.
#
#   hack/prometheus/fetch.sh FOLDER NAME…     writes prometheus, promtool or alertmanager to FOLDER
#
# Debian's Alertmanager reads its templates from /usr/share: they are written beside it, to alertmanager.share.
#
# TOWPATH_PROMETHEUS=<file>, TOWPATH_PROMTOOL=<file> and TOWPATH_ALERTMANAGER=<file> have tests use others.
set -euo pipefail

mkdir -p "$1"
folder=$(cd "$1" && pwd)
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for tool in apt-get dpkg-deb; do
  command -v "$tool" >/dev/null || { echo "$tool is not here: set TOWPATH_PROMETHEUS, TOWPATH_PROMTOOL and TOWPATH_ALERTMANAGER to binaries of Prometheus 2.42 and Alertmanager 0.25, or later" >&2; exit 1; }
done

# The sandbox user of apt must be able to write there.
chmod 777 "$work"
cd "$work"
for name in "$@"; do
  package=prometheus file=$name
  [[ $name != alertmanager ]] || package=prometheus-alertmanager file=prometheus-alertmanager
  if [[ ! -d $package ]]; then
    if ! apt-get download -qq "$package" 2>/dev/null; then
      sudo=()
      [[ $(id -u) == 0 ]] || sudo=(sudo)
      "${sudo[@]}" apt-get update -qq
      apt-get download -qq "$package"
    fi
    dpkg-deb -x "$package"_*.deb "$package"
  fi
  if [[ $name == alertmanager ]]; then
    rm -rf "$folder/alertmanager.share"
    cp -r "$package/usr/share" "$folder/alertmanager.share"
  fi
  install -m 755 "$package/usr/bin/$file" "$folder/$name.new"
  mv -f "$folder/$name.new" "$folder/$name"
  "$folder/$name" --version 2>&1 | head -1
done
