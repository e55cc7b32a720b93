// Package jobs makes the Jobs of a Build: one for each step of a plan, on one volume, without a token of the cluster, and held to the
// strictest pod security. It is pure.
package jobs

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/giturl"
	"github.com/towpath-dev/towpath/internal/guard"
	"github.com/towpath-dev/towpath/internal/pipeline"
	"github.com/towpath-dev/towpath/internal/render"
)

const (
	// sources is where the volume of a Build is, home and temporary what each container has for itself.
	sources, home, temporary = "/towpath/sources", "/towpath/home", "/tmp"
	// credentials is where the step that fetches the sources finds its Secret.
	credentials = "/towpath/credentials"
	// result is the file into which a stage writes what it pushed: the kubelet brings it into the status of the pod.
	result = "/dev/termination-log"
	// user is as whom all containers run.
	user = 65532
	// keep is how long a Job stays after its end, so that its logs can be read.
	keep = 24 * time.Hour
	// slack is how much longer than its tries a Job may take, for its pods to be placed and images to be pulled.
	slack = 5 * time.Minute
)

// Run is one Build, and where it runs.
type Run struct {
	// Input tells labels and place.
	Input render.Input
	// Build is its name, UID its UID.
	Build string
	UID   types.UID
	// Path is the directory of the Component in its repository; empty for all of it.
	Path string
	// Secret holds the credentials of the repository; empty for none.
	Secret string
	// Workspace is the volume that the steps share.
	Workspace Workspace
	// Cache is the name of the volume that keeps the cache paths of steps between Builds; empty for none. CacheVolume is how it is made, without a size
	// where it is there already.
	Cache       string
	CacheVolume Workspace
	// CachePaths are those of all steps, relative to the directory of the Component. The step that fetches the sources makes them.
	CachePaths []string
	// BuiltImage is what a step before has pushed; empty where it is not known.
	BuiltImage string
}

// Workspace is a volume: that which the steps of a Build share, or that of caches.
type Workspace struct {
	// Size of it.
	Size resource.Quantity
	// StorageClass of it; empty for that of the cluster.
	StorageClass string
}

// WithClone puts the step that fetches the sources before all others. Where the Component names no repository, there is nothing to fetch.
func WithClone(plan pipeline.Plan, in *pipeline.Input) (pipeline.Plan, error) {
	if in.Component.Repository == "" {
		return plan, nil
	}
	if in.Standard.Clone == "" {
		return pipeline.Plan{}, &pipeline.Error{Path: pipeline.Clone, Err: fmt.Errorf(
			"nobody says with which image sources are fetched: have whoever runs Towpath set pipeline.images.clone in the manager's configuration")}
	}
	if _, err := giturl.Parse(in.Component.Repository, in.Standard.PlainHTTP); err != nil {
		return pipeline.Plan{}, &pipeline.Error{Path: pipeline.Clone, Err: fmt.Errorf("spec.source.repository %w", err)}
	}
	ref := "refs/heads/" + in.Build.Branch
	if in.Build.Branch == "" && in.Build.Tag != "" {
		ref = "refs/tags/" + in.Build.Tag
	}
	steps := make([]pipeline.Step, 0, len(plan.Steps)+1)
	steps = append(steps, pipeline.Step{
		Name: pipeline.Clone, Stage: pipeline.Clone, Image: in.Standard.Clone, Script: cloneScript, Timeout: cloneTimeout, Retries: cloneRetries,
		Env: []platformv1alpha1.EnvVar{
			{Name: "GIT_TERMINAL_PROMPT", Value: "0"}, {Name: "TOWPATH_COMMIT", Value: in.Build.SHA},
			{Name: "TOWPATH_REF", Value: ref}, {Name: "TOWPATH_REPOSITORY", Value: in.Component.Repository},
		},
	})
	skipped := map[string]bool{}
	for _, step := range plan.Steps {
		skipped[step.Name] = step.Skipped
		if !slices.ContainsFunc(step.Needs, func(name string) bool { return !skipped[name] }) {
			step.Needs = append([]string{pipeline.Clone}, step.Needs...)
		}
		steps = append(steps, step)
	}
	plan.Steps = steps
	return plan, nil
}

// Name is the name of the Job of a step: of every Build and step another one.
func Name(component string, build types.UID, step string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%s", build, step))
	return fmt.Sprintf("%s-%s-%s", cut(component), cut(step), hex.EncodeToString(sum[:])[:10])
}

func cut(name string) string {
	const most = 24
	if len(name) > most {
		name = strings.TrimRight(name[:most], "-")
	}
	return name
}

// ClaimName is the name of the volume of a Build.
func ClaimName(component string, build types.UID) string { return Name(component, build, "sources") }

// Policy is what the guard holds the objects of a Build to, but for the scope of kinds, which the caller knows: the strictest rules,
// whatever the class allows to golden paths.
func Policy(r *Run, allowed []platformv1alpha1.AllowedKind) guard.Policy {
	return guard.Policy{
		Namespace: r.Input.Environment.Namespace, Labels: render.BuildLabels(r.Input, r.Build),
		PodSecurity: platformv1alpha1.PodSecurityRestricted, Tokens: platformv1alpha1.TokensForbidden,
		Class: r.Input.Environment.Class, AllowedKinds: allowed,
	}
}

// Claims makes the volumes that the steps use: the one that they share, and that of caches, where the run says how it is made.
func Claims(r *Run) ([]render.Object, error) {
	shared, err := claim(r, "claim", ClaimName(r.Input.Component, r.UID), r.Workspace)
	if err != nil || r.Cache == "" || r.CacheVolume.Size.IsZero() {
		return []render.Object{shared}, err
	}
	kept, err := claim(r, "cache", r.Cache, r.CacheVolume)
	return []render.Object{shared, kept}, err
}

func claim(r *Run, resource, name string, volume Workspace) (render.Object, error) {
	claim := &corev1.PersistentVolumeClaim{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "PersistentVolumeClaim"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: volume.Size}},
		},
	}
	if volume.StorageClass != "" {
		claim.Spec.StorageClassName = &volume.StorageClass
	}
	return object(r, resource, claim)
}

// Job makes the Job of a step.
func Job(r *Run, step *pipeline.Step) (render.Object, error) {
	container := corev1.Container{
		Name: "stage", Image: step.Image, WorkingDir: path.Join(sources, r.Path), Env: r.env(step),
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: ptr.To(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
		VolumeMounts: []corev1.VolumeMount{{Name: "sources", MountPath: sources}, {Name: "home", MountPath: home}, {Name: "temporary", MountPath: temporary}},
	}
	if step.Script != "" {
		container.Command = []string{"/bin/sh", "-e", "-c", literal(step.Script)}
	}
	for _, arg := range step.Args {
		container.Args = append(container.Args, literal(arg))
	}
	if step.Resources != nil {
		container.Resources = corev1.ResourceRequirements{Requests: step.Resources.Requests, Limits: step.Resources.Limits}
	}
	pod := corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever, AutomountServiceAccountToken: ptr.To(false), EnableServiceLinks: ptr.To(false),
		ActiveDeadlineSeconds: ptr.To(int64(step.Timeout.Seconds())),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: ptr.To(true), RunAsUser: ptr.To(int64(user)), RunAsGroup: ptr.To(int64(user)), FSGroup: ptr.To(int64(user)),
			FSGroupChangePolicy: ptr.To(corev1.FSGroupChangeOnRootMismatch), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Affinity: together(r),
		Volumes: []corev1.Volume{
			{Name: "sources", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: ClaimName(r.Input.Component, r.UID)}}},
			{Name: "home", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
			{Name: "temporary", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
		},
	}
	if step.Name == pipeline.Clone {
		container.WorkingDir = sources
		r.authenticate(&container, &pod)
	}
	r.keep(step, &container, &pod)
	pod.Containers = []corev1.Container{container}
	job := &batchv1.Job{
		TypeMeta:   metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: metav1.ObjectMeta{Name: Name(r.Input.Component, r.UID, step.Name)},
		Spec: batchv1.JobSpec{
			BackoffLimit: ptr.To(step.Retries), ActiveDeadlineSeconds: ptr.To(int64(Deadline(step).Seconds())),
			TTLSecondsAfterFinished: ptr.To(int32(keep.Seconds())), Template: corev1.PodTemplateSpec{Spec: pod},
			// What a node does to a pod says nothing of the stage.
			PodFailurePolicy: &batchv1.PodFailurePolicy{Rules: []batchv1.PodFailurePolicyRule{{
				Action:          batchv1.PodFailurePolicyActionIgnore,
				OnPodConditions: []batchv1.PodFailurePolicyOnPodConditionsPattern{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue}},
			}}},
		},
	}
	return object(r, "stage-"+step.Name, job)
}

// Deadline is how long the Job of a step may take with all of its tries, and what the Job waits between them.
func Deadline(step *pipeline.Step) time.Duration {
	tries := time.Duration(step.Retries + 1)
	return tries*step.Timeout + slack + (1<<step.Retries-1)*10*time.Second
}

// literal keeps Kubernetes from putting the values of variables into a text: $(NAME) would be one, and $$ a dollar.
func literal(text string) string { return strings.ReplaceAll(text, "$", "$$") }

// env are the variables of a step.
func (r *Run) env(step *pipeline.Step) []corev1.EnvVar {
	all := []corev1.EnvVar{
		// The volume is another user's: git would not touch it.
		{Name: "GIT_CONFIG_COUNT", Value: "1"}, {Name: "GIT_CONFIG_KEY_0", Value: "safe.directory"}, {Name: "GIT_CONFIG_VALUE_0", Value: "*"},
		{Name: "HOME", Value: home}, {Name: "TOWPATH_RESULT", Value: result},
	}
	if r.BuiltImage != "" {
		all = append(all, corev1.EnvVar{Name: "TOWPATH_BUILT_IMAGE", Value: literal(r.BuiltImage)})
	}
	for _, e := range step.Env {
		all = append(all, corev1.EnvVar{Name: e.Name, Value: literal(e.Value)})
	}
	for _, e := range step.SecretEnv {
		all = append(all, corev1.EnvVar{Name: e.Name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: e.SecretKeyRef.Name}, Key: e.SecretKeyRef.Key,
		}}})
	}
	return all
}

// together keeps the pods of a Build that run side by side on one node: the volume can be on one alone.
func together(r *Run) *corev1.Affinity {
	return &corev1.Affinity{PodAffinity: &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
		TopologyKey: corev1.LabelHostname,
		LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{
			platformv1alpha1.LabelBuild: r.Build, platformv1alpha1.LabelComponent: r.Input.Component + render.Building,
		}},
	}}}}
}

// object makes an object as it is rendered of a typed one.
func object(r *Run, resource string, typed runtime.Object) (render.Object, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
	if err != nil {
		return render.Object{}, fmt.Errorf("making %s: %w", resource, err)
	}
	delete(content, "status")
	return render.BuildObject(r.Input, r.Build, render.Object{Resource: resource, Object: &unstructured.Unstructured{Object: content}})
}
