package jobs

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
)

const cloneTimeout, cloneRetries = 10 * time.Minute, 2

// cloneScript fetches one commit. Everything that somebody else wrote is in variables, behind -- where git takes options. Servers that
// do not give out a commit by its hash give the branch, or the tag, that it stands on.
// The credentials are for what the key repository of their Secret says alone, as where the repository is polled, and redirects are
// not followed: who may write a Component may name any server. What git resolves before it asks leads to another repository than the
// address begins with.
const cloneScript = `if [ -n "${GIT_CREDENTIALS_FOR:-}" ]; then
  meant=
  set -f
  for prefix in $GIT_CREDENTIALS_FOR; do
    case "$TOWPATH_REPOSITORY" in
    */. | */./* | */.. | */../* | *[%?#\\]*) ;;
    "${prefix%/}" | "${prefix%/}"/*) meant=yes ;;
    esac
  done
  set +f
  if [ -z "$meant" ]; then
    echo "the Secret of spec.source.secretRef is not for this repository: its key repository must have an address that spec.source.repository begins with" >&2
    exit 1
  fi
fi
git init --quiet .
if [ -s ` + credentials + `/ca ]; then
  export GIT_SSL_CAINFO=` + credentials + `/ca
fi
if [ -s ` + credentials + `/identity ]; then
  export GIT_SSH_COMMAND="ssh -i ` + credentials + `/identity -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile=` + credentials + `/known_hosts"
fi
fetch() {
  git -c http.followRedirects=false -c credential.helper= -c credential.helper='!f() { printf "username=%s\npassword=%s\n" "$GIT_USERNAME" "$GIT_PASSWORD"; }; f' \
    fetch --quiet --no-tags --no-recurse-submodules "$@"
}
fetch --depth=1 -- "$TOWPATH_REPOSITORY" "$TOWPATH_COMMIT" || fetch -- "$TOWPATH_REPOSITORY" "$TOWPATH_REF"
git checkout --quiet --force --detach "$TOWPATH_COMMIT"
`

// authenticate gives the step that fetches the sources the credentials of the repository, and no other step.
func (r *Run) authenticate(container *corev1.Container, pod *corev1.PodSpec) {
	if r.Secret == "" {
		return
	}
	for _, key := range []struct{ name, key string }{
		{"GIT_USERNAME", "username"}, {"GIT_PASSWORD", "password"}, {"GIT_CREDENTIALS_FOR", "repository"},
	} {
		container.Env = append(container.Env, corev1.EnvVar{Name: key.name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: r.Secret}, Key: key.key, Optional: ptr.To(true),
		}}})
	}
	container.VolumeMounts = append(container.VolumeMounts, corev1.VolumeMount{Name: "credentials", MountPath: credentials, ReadOnly: true})
	pod.Volumes = append(pod.Volumes, corev1.Volume{Name: "credentials", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
		SecretName: r.Secret, DefaultMode: ptr.To(int32(0o440)),
	}}})
}
