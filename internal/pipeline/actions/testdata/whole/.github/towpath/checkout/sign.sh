# Made by towpath pipeline sync for Component checkout: changes are overwritten. Change the ServiceTemplate instead.
if [ -n "${DOCKER_AUTH_CONFIG:-}" ]; then
  mkdir -p "$HOME/.docker"
  printf '%s' "$DOCKER_AUTH_CONFIG" > "$HOME/.docker/config.json"
fi
image="${TOWPATH_BUILT_IMAGE:-$TOWPATH_IMAGE}"
bundle="$HOME/towpath-bundle.json"
set -f
seal() {
  if cosign "$1" --help 2>&1 | grep -q -e '--bundle[ =]'; then
    set -- "$@" --bundle "$bundle"
  fi
  if [ -n "${COSIGN_PRIVATE_KEY:-}" ]; then
    set -- "$@" --key env://COSIGN_PRIVATE_KEY ${COSIGN_FLAGS---use-signing-config=false --tlog-upload=false}
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
