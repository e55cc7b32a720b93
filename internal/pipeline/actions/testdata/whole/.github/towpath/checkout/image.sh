# Made by towpath pipeline sync for Component checkout: changes are overwritten. Change the ServiceTemplate instead.
if [ -n "${DOCKER_AUTH_CONFIG:-}" ]; then
  mkdir -p "$HOME/.docker"
  printf '%s' "$DOCKER_AUTH_CONFIG" > "$HOME/.docker/config.json"
fi
buildctl --addr "$TOWPATH_BUILDKITD" build --frontend dockerfile.v0 \
  --local context=. --local dockerfile=. \
  --output "type=image,name=$TOWPATH_IMAGE,push=true" --metadata-file "$HOME/towpath-metadata.json"
printf '%s' "$(sed -n 's/.*"containerimage.digest"[^"]*"\(sha256:[0-9a-f]*\)".*/\1/p' "$HOME/towpath-metadata.json" | head -n 1)" > "$TOWPATH_RESULT"
