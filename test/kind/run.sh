#!/usr/bin/env bash
# Runs the kind suite on the cluster of TOWPATH_KIND_KUBECONFIG, which is up, with these arguments of ginkgo: make test-e2e calls this.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

TOWPATH_KIND_MANAGER=$(test/kind/images.sh)
export TOWPATH_KIND_MANAGER
exec bin/ginkgo "$@" ./test/kind
