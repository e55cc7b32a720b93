#!/usr/bin/env bash
# Shows that govulncheck finds what our code reaches, and nothing else: by a database of two made-up entries, since the real one
# needs the network.
#
#   hack/vuln/check.sh GOVULNCHECK
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
govulncheck=$1
db=file://$PWD/hack/vuln/db

# One that the fixture calls, and one of an older version of the same module. 3 is govulncheck's word for "found".
status=0
found=$("$govulncheck" -db "$db" -C hack/vuln/fixture ./... 2>&1) || status=$?
if [[ $status != 3 || $found != *GO-0000-0001* || $found == *GO-0000-0002* ]]; then
  echo "govulncheck must find GO-0000-0001 in hack/vuln/fixture, and no more, and exit with 3; it exited with $status:" >&2
  echo "$found" >&2
  exit 1
fi

# Towpath has the module too, but reads schedules by it alone.
"$govulncheck" -db "$db" ./cmd/...
