package pipeline

import platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"

// Every engine gives a stage the variable TOWPATH_RESULT, the file into which the stage that pushes the image writes what it pushed: a
// reference with its digest, or the digest alone. Stages that come later find it as TOWPATH_BUILT_IMAGE, where it is known. What a
// standard stage that looks into the image writes there is the digest of what it put beside the image. Neither ends in a newline, which
// Tekton would take for a part of the value.

// withCredentials lets tools find the credentials of registries that come as a variable.
const withCredentials = `if [ -n "${DOCKER_AUTH_CONFIG:-}" ]; then
  mkdir -p "$HOME/.docker"
  printf '%s' "$DOCKER_AUTH_CONFIG" > "$HOME/.docker/config.json"
fi
`

// withCosign defines seal, which has cosign sign the image or attest something of it. With a key it tells nobody outside of the registry,
// unless COSIGN_FLAGS says otherwise: the public log shows each name, and cannot be reached from everywhere. Where cosign
// makes a bundle of Sigstore, the registry has that very file, and its digest is what the stage reports.
//
// A key that is named and empty fails: it is a secret that is missing, as engines give it that know no other way to say so. To sign by the
// identity of whoever runs, and to tell the public log, is for those who name no key.
const withCosign = `if [ -n "${COSIGN_PRIVATE_KEY+set}" ] && [ -z "$COSIGN_PRIVATE_KEY" ]; then
  echo 'COSIGN_PRIVATE_KEY is set and empty: the Secret that it comes from has no key. Put the text of cosign.key there, or take the variable from the stage.' >&2
  exit 1
fi
image="${TOWPATH_BUILT_IMAGE:-$TOWPATH_IMAGE}"
bundle="$HOME/towpath-bundle.json"
set -f
seal() {
  if cosign "$1" --help 2>&1 | grep -q -e '--bundle[ =]'; then
    set -- "$@" --bundle "$bundle"
  fi
  if [ -n "${COSIGN_PRIVATE_KEY:-}" ]; then
    quiet=--tlog-upload=false
    if cosign "$1" --help 2>&1 | grep -q -e --use-signing-config; then
      quiet="--use-signing-config=false $quiet"
    fi
    set -- "$@" --key env://COSIGN_PRIVATE_KEY ${COSIGN_FLAGS-$quiet}
  else
    set -- "$@" ${COSIGN_FLAGS-}
  fi
  rm -f "$bundle"
  cosign "$@" --yes "$image"
  case "$(head -c 512 "$bundle" 2>/dev/null)" in
  *application/vnd.dev.sigstore.bundle*) printf 'sha256:%s' "$(sha256sum < "$bundle" | cut -d ' ' -f 1)" > "$TOWPATH_RESULT" ;;
  esac
}
`

// withKey defines attest, which attests something where there is a key to do it with. Without one it is kept as a file alone.
const withKey = withCosign + `attest() {
  if [ -z "${COSIGN_PRIVATE_KEY:-}" ]; then
    return 0
  fi
  if ! command -v cosign > /dev/null; then
    echo 'COSIGN_PRIVATE_KEY is set, and this image has no cosign to attest with: name one that has both tools, or take the variable from the stage.' >&2
    exit 1
  fi
  seal attest --type "$1" --predicate "$2"
}
`

// withIgnored writes the settings of Grype: what SCAN_IGNORE lists is ignored until its date. One that no month has is a
// mistake that could ignore it for ever; February may have a 29th in every year.
const withIgnored = `today="$(date -u +%Y%m%d)"
echo 'ignore:' > "$HOME/towpath-grype.yaml"
for entry in ${SCAN_IGNORE:-}; do
  name="${entry%%=*}"
  until="${entry#"$name"}"
  case "$name" in '' | *[!A-Za-z0-9._:-]*) until=wrong ;; esac
  case "$until" in *-02-3? | *-0[469]-31 | *-11-31) until=wrong ;; esac
  case "$until" in
  =[0-9][0-9][0-9][0-9]-0[1-9]-0[1-9] | =[0-9][0-9][0-9][0-9]-0[1-9]-[12][0-9] | =[0-9][0-9][0-9][0-9]-0[1-9]-3[01]) ;;
  =[0-9][0-9][0-9][0-9]-1[0-2]-0[1-9] | =[0-9][0-9][0-9][0-9]-1[0-2]-[12][0-9] | =[0-9][0-9][0-9][0-9]-1[0-2]-3[01]) ;;
  *) echo "SCAN_IGNORE: $entry must be a vulnerability and the date from which on it is not ignored any more, such as CVE-2026-1234=2027-03-01." >&2; exit 1 ;;
  esac
  if [ "$today" -lt "$(printf '%s' "$until" | tr -d =-)" ]; then
    printf -- '- vulnerability: "%s"\n' "$name" >> "$HOME/towpath-grype.yaml"
  else
    echo "SCAN_IGNORE: $name is not ignored any more since ${entry#*=}." >&2
  fi
done
`

// withJSON defines json, which writes a text as a string of JSON, and field, which writes one more field of an object where it has a value. Whoever
// pushes names branches and tags: a quotation mark must not end a string and begin what nobody said. Characters that do not print, of which
// no name in Git has any, are left out.
const withJSON = `json() {
  printf '"%s"' "$(printf '%s' "$1" | LC_ALL=C tr -d '\000-\037\177' | LC_ALL=C sed -e 's/\\/\\\\/g' -e 's/"/\\"/g')"
}
field() {
  if [ -n "$2" ]; then
    printf ',"%s":%s' "$1" "$(json "$2")"
  fi
}
`

// scripts are what the standard stages run. They hold no value: those are in environment variables alone. What looks into the image runs outside of the
// sources: tools take settings from where they run, and a commit must not say what of it is overlooked. What is attested is read from where
// no other stage writes.
var scripts = map[platformv1alpha1.StandardStage]string{
	platformv1alpha1.StageImage: withCredentials + `buildctl --addr "$TOWPATH_BUILDKITD" build --frontend dockerfile.v0 \
  --local context=. --local dockerfile=. \
  --output "type=image,name=$TOWPATH_IMAGE,push=true" --metadata-file "$HOME/towpath-metadata.json"
printf '%s' "$(sed -n 's/.*"containerimage.digest"[^"]*"\(sha256:[0-9a-f]*\)".*/\1/p' "$HOME/towpath-metadata.json" | head -n 1)" > "$TOWPATH_RESULT"
`,
	platformv1alpha1.StageSBOM: withCredentials + withKey + `format="${SBOM_FORMAT:-spdx-json}"
case "$format" in
spdx-json) sbom=sbom.spdx.json type=spdxjson ;;
cyclonedx-json) sbom=sbom.cdx.json type=cyclonedx ;;
*) echo "SBOM_FORMAT: $format must be spdx-json or cyclonedx-json." >&2; exit 1 ;;
esac
sources="$PWD"
cd "$HOME"
syft scan "registry:$image" --output "$format=$sbom"
cp "$sbom" "$sources/$sbom"
attest "$type" "$sbom"
`,
	platformv1alpha1.StageScan: withCredentials + withKey + withIgnored + `cd "$HOME"
started="$(date -u +%Y-%m-%dT%H:%M:%SZ)"
grype "registry:$image" --config towpath-grype.yaml --fail-on "${SCAN_FAIL_ON:-high}" --output table --output json=scan.json
{
  printf '{"invocation":{"uri":"","event_id":"","builder.id":"https://towpath.dev/pipeline"},"scanner":{"uri":"https://github.com/anchore/grype","version":"","db":{"uri":"","version":""},"result":'
  cat scan.json
  printf '},"metadata":{"scanStartedOn":"%s","scanFinishedOn":"%s"}}' "$started" "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
} > scan.predicate.json
attest vuln scan.predicate.json
`,
	platformv1alpha1.StageSign: withCredentials + withCosign + `seal sign
`,
	platformv1alpha1.StageProvenance: withCredentials + withCosign + withJSON + `ref=''
if [ -n "${TOWPATH_TAG:-}" ]; then
  ref="refs/tags/$TOWPATH_TAG"
elif [ -n "${TOWPATH_BRANCH:-}" ]; then
  ref="refs/heads/$TOWPATH_BRANCH"
fi
source="${TOWPATH_REPOSITORY:+git+$TOWPATH_REPOSITORY${ref:+@$ref}}"
{
  printf '{"buildDefinition":{"buildType":"https://towpath.dev/build/v1","externalParameters":{"commit":%s' "$(json "$TOWPATH_COMMIT")"
  field repository "${TOWPATH_REPOSITORY:-}"
  field ref "$ref"
  field path "${TOWPATH_PATH:-}"
  field pipeline "${TOWPATH_PIPELINE:-}"
  printf '},"resolvedDependencies":[{"digest":{"gitCommit":%s}' "$(json "$TOWPATH_COMMIT")"
  field uri "$source"
  printf '}]},"runDetails":{"builder":{"id":%s},"metadata":{"finishedOn":"%s"' "$(json "${TOWPATH_BUILDER:-}")" "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
  field invocationId "${TOWPATH_INVOCATION:-}"
  field startedOn "${TOWPATH_STARTED:-}"
  printf '}}}'
} > "$HOME/provenance.json"
seal attest --type slsaprovenance1 --predicate "$HOME/provenance.json"
`,
}

// evidence is what standard stages put beside an image.
var evidence = map[platformv1alpha1.StandardStage]platformv1alpha1.EvidenceType{
	platformv1alpha1.StageSBOM: platformv1alpha1.EvidenceSBOM, platformv1alpha1.StageScan: platformv1alpha1.EvidenceScan,
	platformv1alpha1.StageSign: platformv1alpha1.EvidenceSignature, platformv1alpha1.StageProvenance: platformv1alpha1.EvidenceProvenance,
}

// Evidence is what the step puts beside the image; empty for one that may push an image.
func (step *Step) Evidence() platformv1alpha1.EvidenceType { return evidence[step.Standard] }
