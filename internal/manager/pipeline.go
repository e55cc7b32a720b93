package manager

import (
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/pipeline"
	"github.com/towpath-dev/towpath/internal/pipeline/actions"
	"github.com/towpath-dev/towpath/internal/pipeline/jobs"
)

// PipelineConfiguration is what the pipelines of golden paths run with. Towpath brings no images: which ones a cluster may run, and from
// which registry, is for the platform team to say.
type PipelineConfiguration struct {
	// Images are those of the standard stages, and the one that fetches sources.
	Images PipelineImages `json:"images,omitzero"`
	// Buildkitd is the address of the buildkitd that builds images, outside of the namespaces of tenants, such as
	// tcp://buildkitd.buildkit:1234. Default: none, so that no pipeline can have the standard stage Image.
	Buildkitd string `json:"buildkitd,omitempty"`
	// Workspace is the volume that the stages of a Build share. It goes when the Build ends.
	Workspace WorkspaceConfiguration `json:"workspace,omitzero"`
	// Cache is the volume that keeps the cache paths of stages from Build to Build, one for each Component that has such stages. It goes with the
	// Component. Default: none, nothing is kept.
	Cache CacheConfiguration `json:"cache,omitzero"`
	// Digests is how the digest of an image is found that a Build has by a tag.
	Digests DigestsConfiguration `json:"digests,omitzero"`
	// Actions is what the workflows of Components are made of whose engine is GitHubActions, as towpath pipeline sync reads it too. The
	// repositories of these are asked then, and the condition PipelineInStep says whether their workflow is the one of the golden path.
	// Default: none, so that nobody looks.
	Actions *actions.Config `json:"actions,omitempty"`
}

// DigestsConfiguration is how the digest of an image is found that a Build has by a tag. How registries are asked stands in registries.
type DigestsConfiguration struct {
	// Resolve is Always, where the registry is asked once when a Build succeeds, or Never, where Releases name the image by the tag.
	// Default: Always.
	Resolve string `json:"resolve,omitempty"`
}

// CacheConfiguration is the volume that keeps caches.
type CacheConfiguration struct {
	// Size of it, as a quantity: more than that is not kept, and a stage that writes more fails. Default: none, no caches are kept.
	Size string `json:"size,omitempty"`
	// StorageClass of it; one that binds a volume where its first pod runs (WaitForFirstConsumer), as that of the workspace. Default: that of the cluster.
	StorageClass string `json:"storageClass,omitempty"`
}

// caches is the volume that keeps caches; nil where none are kept.
func (c *CacheConfiguration) caches() *jobs.Workspace {
	size, err := resource.ParseQuantity(c.Size)
	if err != nil {
		return nil
	}
	return &jobs.Workspace{Size: size, StorageClass: c.StorageClass}
}

// What DigestsConfiguration.Resolve may be.
const (
	resolveAlways = "Always"
	resolveNever  = "Never"
)

// PipelineImages are the images of the standard stages. Each needs /bin/sh, and runs as user 65532. A stage can name another. Default: none, so that a
// pipeline with a standard stage that names no image cannot run.
type PipelineImages struct {
	// Clone fetches the sources: it needs git, and ssh for repositories with ssh:// addresses.
	Clone string `json:"clone,omitempty"`
	// Image builds and pushes images: it needs buildctl.
	Image string `json:"image,omitempty"`
	// SBOM lists what is in an image: it needs syft.
	SBOM string `json:"sbom,omitempty"`
	// Scan looks for known vulnerabilities: it needs grype.
	Scan string `json:"scan,omitempty"`
	// Sign signs an image: it needs cosign.
	Sign string `json:"sign,omitempty"`
	// Provenance attests how an image was built: it needs cosign.
	Provenance string `json:"provenance,omitempty"`
}

// WorkspaceConfiguration is the volume that the stages of a Build share.
type WorkspaceConfiguration struct {
	// Size of it, as a quantity. Default: 10Gi.
	Size string `json:"size,omitempty"`
	// StorageClass of it. Default: that of the cluster.
	StorageClass string `json:"storageClass,omitempty"`
}

// defaultWorkspace is the size of the volume of a Build.
var defaultWorkspace = resource.MustParse("10Gi")

// standardStages are the images and settings of the standard stages.
func (c *Configuration) standardStages() pipeline.Standard {
	images := &c.Pipeline.Images
	return pipeline.Standard{
		Clone: images.Clone, PlainHTTP: c.Sources.PlainHTTP, Buildkitd: c.Pipeline.Buildkitd,
		Images: map[platformv1alpha1.StandardStage]string{
			platformv1alpha1.StageImage: images.Image, platformv1alpha1.StageSBOM: images.SBOM, platformv1alpha1.StageScan: images.Scan,
			platformv1alpha1.StageSign: images.Sign, platformv1alpha1.StageProvenance: images.Provenance,
		},
	}
}

// workspace is the volume of a Build.
func (c *PipelineConfiguration) workspace() jobs.Workspace {
	w := jobs.Workspace{Size: defaultWorkspace.DeepCopy(), StorageClass: c.Workspace.StorageClass}
	if size, err := resource.ParseQuantity(c.Workspace.Size); err == nil {
		w.Size = size
	}
	return w
}

// validate says which values cannot work.
func (c *DigestsConfiguration) validate(at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if c.Resolve != "" && c.Resolve != resolveAlways && c.Resolve != resolveNever {
		errs = append(errs, field.NotSupported(at.Child("resolve"), c.Resolve, []string{resolveAlways, resolveNever}))
	}
	return errs
}

// validate says which values cannot work.
func (c *PipelineConfiguration) validate(at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for name, image := range map[string]string{
		"clone": c.Images.Clone, "image": c.Images.Image, "sbom": c.Images.SBOM, "scan": c.Images.Scan, "sign": c.Images.Sign, "provenance": c.Images.Provenance,
	} {
		if strings.ContainsAny(image, " \t\n\r") {
			errs = append(errs, field.Invalid(at.Child("images", name), image, "must be an image, such as registry.example/tools/git@sha256:…"))
		}
	}
	if c.Buildkitd != "" && !strings.Contains(c.Buildkitd, "://") {
		errs = append(errs, field.Invalid(at.Child("buildkitd"), c.Buildkitd, "must be an address with its scheme, such as tcp://buildkitd.buildkit:1234"))
	}
	if c.Actions != nil {
		if err := c.Actions.Check(at.Child("actions").String()); err != nil {
			errs = append(errs, field.Invalid(at.Child("actions"), field.OmitValueType{}, err.Error()))
		}
	}
	errs = append(errs, volume(at.Child("workspace"), c.Workspace.Size, c.Workspace.StorageClass)...)
	errs = append(errs, volume(at.Child("cache"), c.Cache.Size, c.Cache.StorageClass)...)
	return append(errs, c.Digests.validate(at.Child("digests"))...)
}

// volume says what of the size and the class of a volume cannot work.
func volume(at *field.Path, size, class string) field.ErrorList {
	var errs field.ErrorList
	if size != "" {
		if quantity, err := resource.ParseQuantity(size); err != nil || quantity.Sign() <= 0 {
			errs = append(errs, field.Invalid(at.Child("size"), size, "must be a quantity greater than zero, such as 10Gi"))
		}
	}
	if class != "" && len(validation.IsDNS1123Subdomain(class)) > 0 {
		errs = append(errs, field.Invalid(at.Child("storageClass"), class, "must be the name of a StorageClass"))
	}
	return errs
}
