# Made by towpath pipeline sync for Component checkout: changes are overwritten. Change the ServiceTemplate instead.
if [ -n "${DOCKER_AUTH_CONFIG:-}" ]; then
  mkdir -p "$HOME/.docker"
  printf '%s' "$DOCKER_AUTH_CONFIG" > "$HOME/.docker/config.json"
fi
if [ -n "${COSIGN_PRIVATE_KEY+set}" ] && [ -z "$COSIGN_PRIVATE_KEY" ]; then
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
seal sign
