# Made by towpath pipeline sync for Component checkout: changes are overwritten. Change the ServiceTemplate instead.
if [ -n "${DOCKER_AUTH_CONFIG:-}" ]; then
  mkdir -p "$HOME/.docker"
  printf '%s' "$DOCKER_AUTH_CONFIG" > "$HOME/.docker/config.json"
fi
if [ -n "${COSIGN_PRIVATE_KEY:-}" ]; then
  cosign sign --yes --key env://COSIGN_PRIVATE_KEY "${TOWPATH_BUILT_IMAGE:-$TOWPATH_IMAGE}"
else
  cosign sign --yes "${TOWPATH_BUILT_IMAGE:-$TOWPATH_IMAGE}"
fi
