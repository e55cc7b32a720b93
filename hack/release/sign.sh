#!/usr/bin/env bash
# Signs a file: with the ECDSA or RSA key in the file KEY, or, where KEY names none, without a key as the workflow that this
# runs in. For goreleaser, and for make release-sign.
#
#   KEY=private.pem hack/release/sign.sh checksums.txt checksums.txt.sig
set -euo pipefail

file=$1 signature=$2
if [[ -n ${KEY:-} ]]; then
  openssl dgst -sha256 -sign "$KEY" "$file" | base64 -w0 >"$signature"
else
  cosign sign-blob --yes --new-bundle-format --bundle "$signature" "$file"
fi
