#!/usr/bin/env bash
# Prints the platforms that a configuration of goreleaser, on standard input, has the CLI built for, as Go names them, with a separator
# between them.
#
#   hack/release/cli-platforms.sh , <.goreleaser.yaml
set -euo pipefail

if (($# != 1)) || [[ ${#1} != 1 ]]; then
  echo 'usage: hack/release/cli-platforms.sh SEPARATOR <.goreleaser.yaml, where the separator is one byte' >&2
  exit 2
fi
sed -nE 's|^ *- ([a-z]+)_([a-z0-9]+)$|\1/\2|p' | paste -sd "$1" -
