package jobs

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/towpath-dev/towpath/internal/pipeline"
)

// caches is where the step that fetches the sources finds the volume of caches.
const caches = "/towpath/caches"

// makeCaches makes the directories on which the caches are mounted in later steps, in the sources and on the volume: the container runtime
// would make them as root, and a step without the cache could not write there.
const makeCaches = `for cache in $TOWPATH_CACHES; do
  mkdir -p "./$TOWPATH_FOLDER/$cache" "` + caches + `/$cache"
done
`

// CacheName is the name of the volume of caches of a Component: another one for each size and class, since what is there cannot be made smaller.
func CacheName(component string, uid types.UID, volume Workspace) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%s/%s", uid, volume.Size.String(), volume.StorageClass))
	return fmt.Sprintf("%s-cache-%s", cut(component), hex.EncodeToString(sum[:])[:10])
}

// CachePaths are the cache paths of all steps of a plan that run, each once, sorted.
func CachePaths(plan *pipeline.Plan) []string {
	var all []string
	for i := range plan.Steps {
		if !plan.Steps[i].Skipped {
			all = append(all, plan.Steps[i].Cache...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// keep gives a step its cache paths from the volume of caches. The first step gets all of the volume, also so that the node, and with it the volume of the
// sources, is chosen where the caches are.
func (r *Run) keep(step *pipeline.Step, container *corev1.Container, pod *corev1.PodSpec) {
	first := step.Name == pipeline.Clone
	if r.Cache == "" || !first && len(step.Cache) == 0 {
		return
	}
	pod.Volumes = append(pod.Volumes, corev1.Volume{Name: "caches", VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: r.Cache},
	}})
	if first {
		container.VolumeMounts = append(container.VolumeMounts, corev1.VolumeMount{Name: "caches", MountPath: caches})
		container.Command[len(container.Command)-1] += literal(makeCaches)
		container.Env = append(container.Env, corev1.EnvVar{Name: "TOWPATH_CACHES", Value: literal(strings.Join(r.CachePaths, " "))},
			corev1.EnvVar{Name: "TOWPATH_FOLDER", Value: literal(r.Path)})
		return
	}
	for _, kept := range step.Cache {
		container.VolumeMounts = append(container.VolumeMounts, corev1.VolumeMount{
			Name: "caches", MountPath: path.Join(sources, r.Path, kept), SubPath: path.Clean(kept),
		})
	}
}
