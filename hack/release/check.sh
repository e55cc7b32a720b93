#!/usr/bin/env bash
# Looks at what a release is asked for, before anything is compiled: what is found wrong only where it is used costs minutes or an
# hour. For make release-image and make release-files, which name all of it in the environment.
#
#   PLATFORMS=linux/amd64 VERSION=v1.2.3 DATE=2026-01-02T03:04:05Z hack/release/check.sh
set -euo pipefail
export LC_ALL=C

if (($# > 0)) || [[ -z ${VERSION+set} || -z ${DATE+set} || -z ${PLATFORMS+set} ]]; then
  echo 'usage: PLATFORMS=linux/amd64 VERSION=v1.2.3 DATE=2026-01-02T03:04:05Z hack/release/check.sh; make release-files calls it' >&2
  exit 2
fi
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

failed=0
wrong() {
  echo "$1" >&2
  failed=1
}

# platforms NAME SEPARATOR-IN-WORDS GIVEN KNOWN: each one of GIVEN is one of KNOWN, and stands there once.
platforms() {
  local name=$1 separator=$2 platform seen=' '
  for platform in $3; do
    if [[ " $4 " != *" $platform "* ]]; then
      wrong "$name: \"$platform\" is no platform that there is a release for: write some of $4, with $separator between them"
    elif [[ $seen == *" $platform "* ]]; then
      wrong "$name: $platform stands there twice: write it once"
    fi
    seen+="$platform "
  done
}

# Those of the image are hack/release/image's, and a test compares; those of the CLI are goreleaser's.
images='linux/amd64 linux/arm64'
[[ $PLATFORMS == *[^,[:space:]]* ]] || wrong "PLATFORMS is empty: write some of $images, with commas between them"
[[ $PLATFORMS != *[[:space:]]* ]] || wrong "PLATFORMS=\"$PLATFORMS\": write commas, and no spaces, between platforms"
platforms PLATFORMS commas "${PLATFORMS//,/ }" "$images"
cli=$(hack/release/cli-platforms.sh ' ' <.goreleaser.yaml)
platforms CLI_PLATFORMS spaces "${CLI_PLATFORMS:-}" "$cli"

# As image references have it: the image is pushed, and the chart asks for it, by this.
[[ $VERSION =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$ ]] ||
  wrong "VERSION=\"$VERSION\" can be no tag of an image, which has letters, digits, \"_\", \".\" and \"-\" alone, at most 128: write ${VERSION//[^A-Za-z0-9_.-]/-}, and name the tag in Git so"

[[ $DATE =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(Z|[+-][0-9]{2}:[0-9]{2})$ ]] ||
  wrong "DATE=\"$DATE\" is not when the commit was made, which git says in a clone: elsewhere write it as DATE=2026-01-02T03:04:05Z, and COMMIT too"

repository='^(localhost|[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+|[A-Za-z0-9-]+:[0-9]+)(:[0-9]+)?(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)+$'
if [[ -n ${REPOSITORY:-} && ! $REPOSITORY =~ $repository ]]; then
  wrong "REPOSITORY=\"$REPOSITORY\" is no repository of images: write it as registry.example/towpath/manager, in small letters, without https:// and without a tag"
elif [[ -n ${PUSH:-} && -z ${REPOSITORY:-} ]]; then
  wrong 'PUSH=1 does not say where to: write REPOSITORY=registry.example/towpath/manager too, or leave out PUSH'
fi

[[ -z ${RELEASE_URL:-} || $RELEASE_URL =~ ^https://[^[:space:]/]+(/[^[:space:]]*[^[:space:]/])?$ ]] ||
  wrong "RELEASE_URL=\"$RELEASE_URL\" is no address that krew downloads from: write where the files of this version are, as https://github.com/OWNER/towpath/releases/download/$VERSION"

# Signing comes last.
if [[ -n ${KEY:-} ]]; then
  [[ -r $KEY && -f $KEY ]] || wrong "KEY=\"$KEY\" is no file that can be read: write the path of a private key in PEM, or leave out KEY and sign later by make release-sign"
  command -v openssl >/dev/null || wrong 'KEY signs by openssl, which is not here: install it, or leave out KEY and sign later by make release-sign'
elif [[ -n ${KEYLESS:-} ]]; then
  command -v cosign >/dev/null || wrong 'KEYLESS=1 signs by cosign, which is not here: install it, or leave out KEYLESS'
fi
exit "$failed"
