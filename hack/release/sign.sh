#!/usr/bin/env bash
# Signs a file: with the ECDSA or RSA key in the file KEY, or, where KEY names none, without a key as the workflow that this
# runs in. For goreleaser, and for make release-sign. A signature that is there stays until there is another one.
#
#   KEY=private.pem hack/release/sign.sh checksums.txt checksums.txt.sig
set -euo pipefail

if (($# != 2)) || [[ -z $1 || -z $2 ]]; then
  echo 'usage: [KEY=private.pem] hack/release/sign.sh FILE SIGNATURE, such as checksums.txt checksums.txt.sig' >&2
  exit 2
fi
file=$1 signature=$2
[[ -f $file ]] || {
  echo "$file, which is to be signed, is not there: make release-files makes the checksums of a release" >&2
  exit 1
}

# In a folder beside it: a rename there is whole or none, and the file has the mode that others get.
folder=$(mktemp -d "$signature.XXXXXX")
trap 'rm -rf "$folder"' EXIT
if [[ -n ${KEY:-} ]]; then
  openssl dgst -sha256 -sign "$KEY" "$file" | base64 -w0 >"$folder/new"
else
  cosign sign-blob --yes --new-bundle-format --bundle "$folder/new" "$file"
fi
[[ -s $folder/new ]] || {
  echo "signing $file made no signature" >&2
  exit 1
}
mv -f "$folder/new" "$signature"
