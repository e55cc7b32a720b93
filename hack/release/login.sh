#!/usr/bin/env bash
# Signs docker, cosign and what pushes a release's image in to the registry of REPOSITORY. For the workflow release: as USERNAME with
# PASSWORD, or, where there is no password, to GitHub's own registry as ACTOR with the workflow's TOKEN, which no other registry is
# given.
#
#   REPOSITORY=registry.example/towpath/manager USERNAME=… PASSWORD=… hack/release/login.sh
set -euo pipefail

if (($# > 0)) || [[ -z ${REPOSITORY:-} ]]; then
  echo 'usage: REPOSITORY=registry.example/towpath/manager [USERNAME=… PASSWORD=…] [ACTOR=… TOKEN=…] hack/release/login.sh' >&2
  exit 2
fi
registry=${REPOSITORY%%/*}
username=${USERNAME:-} password=${PASSWORD:-}
if [[ -n $username && -z $password ]]; then
  echo "there is a user of $registry and no password: set the secret RELEASE_REGISTRY_PASSWORD too (docs/release.md)" >&2
  exit 1
elif [[ -n $password && -z $username ]]; then
  echo "there is a password of $registry and no user: set the variable RELEASE_REGISTRY_USERNAME too (docs/release.md)" >&2
  exit 1
elif [[ -z $password && $registry != ghcr.io ]]; then
  echo "$registry does not know the workflow: set the variable RELEASE_REGISTRY_USERNAME and the secret RELEASE_REGISTRY_PASSWORD (docs/release.md)" >&2
  exit 1
elif [[ -z $password ]]; then
  username=${ACTOR:-} password=${TOKEN:-}
  [[ -n $username && -n $password ]] || {
    echo 'ghcr.io is asked as ACTOR with TOKEN, which a workflow has: elsewhere name USERNAME and PASSWORD' >&2
    exit 1
  }
fi
docker login "$registry" --username "$username" --password-stdin <<<"$password"
