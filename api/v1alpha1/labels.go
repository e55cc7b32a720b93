package v1alpha1

// Labels that Towpath sets. Nobody else may set or change a label of the prefix
// platform.towpath.dev/ in a workload namespace: an admission policy sees to that.
const (
	// LabelPrefix begins every label and annotation of Towpath's own.
	LabelPrefix = "platform.towpath.dev/"

	// LabelTeam names the team. On a namespace, together with LabelCostCenter, it makes the
	// namespace a team namespace: the home of that team's Environments and Components.
	LabelTeam = LabelPrefix + "team"
	// LabelCostCenter names the cost centre that pays for the object.
	LabelCostCenter = LabelPrefix + "cost-center"
	// LabelComponent names the Component that the object belongs to.
	LabelComponent = LabelPrefix + "component"
	// LabelEnvironment names the Environment that the object runs in.
	LabelEnvironment = LabelPrefix + "environment"
	// LabelTier is the tier of the Environment's class: Development, Staging, Production or Preview.
	LabelTier = LabelPrefix + "tier"
	// LabelTemplate names the ServiceTemplate that the object was rendered from.
	LabelTemplate = LabelPrefix + "template"
	// LabelPreviewOf names, on a Component that was copied into an environment for a pull request, the one that it is a
	// copy of.
	LabelPreviewOf = LabelPrefix + "preview-of"
	// LabelCheck names, on the Job of a check and on its pods, the check.
	LabelCheck = LabelPrefix + "check"
	// LabelBuild names, on the Jobs and the claim of a Build and on its pods, the Build.
	LabelBuild = LabelPrefix + "build"
	// LabelOwnerUID is the UID of the Component (or of the Environment, for what the
	// Environment makes) that owns the object. It stands on the object itself, never on pod
	// templates, and decides who may change the object.
	LabelOwnerUID = LabelPrefix + "owner-uid"

	// ManagedBy is the value of app.kubernetes.io/managed-by on everything that Towpath makes.
	ManagedBy = "towpath"

	// Finalizer holds an object until everything that it made is gone.
	Finalizer = LabelPrefix + "finalizer"
)

// Namespaces of the installation.
const (
	// SystemNamespace is where the manager runs.
	SystemNamespace = "towpath-system"
	// ManagerAccount is the service account of the manager there.
	ManagerAccount = "towpath-manager"
	// AlertReaderClusterRole lets the manager read the Secret AlertSecret in the home of a Team, where it is bound.
	AlertReaderClusterRole = "towpath-alert-reader"
	// AlertSecret is the Secret that holds what is secret of targets of alerts.
	AlertSecret = "towpath-alerts" //nolint:gosec // the name of one
	// GitReaderClusterRole lets the manager read the Secret GitSecret in a workload namespace, where it is bound.
	GitReaderClusterRole = "towpath-git-reader"
	// GitSecret is the Secret with the credentials of repositories that the manager may read by itself.
	GitSecret = "towpath-git" //nolint:gosec // the name of one
	// ApplierNamespace holds the service accounts that the manager writes as, one for each
	// Environment. No tenant has rights here, so no tenant can mint their tokens.
	ApplierNamespace = "towpath-appliers"
	// ApplierClusterRole is what an applier may do in its workload namespace.
	ApplierClusterRole = "towpath-applier"
	// ApplierExtraClusterRole is the part of it that a platform team widens, by aggregation.
	ApplierExtraClusterRole = "towpath-applier-extra"
	// OwnerClusterRole, DeveloperClusterRole and ViewerClusterRole are what the members of a Team may do in its
	// namespaces, by their role. A platform team widens each by aggregation.
	OwnerClusterRole     = "towpath-owner"
	DeveloperClusterRole = "towpath-developer"
	ViewerClusterRole    = "towpath-viewer"
)

// Annotations of a ServiceTemplate, by which Components of the golden path appear in a software catalogue.
const (
	// AnnotationCatalogKind is Resource for what others use and nobody writes code for, such as a database. Default:
	// Component.
	AnnotationCatalogKind = LabelPrefix + "catalog-kind"
	// AnnotationCatalogType is the type within the kind, such as website or database: lower case letters, digits and
	// hyphens. Default: service.
	AnnotationCatalogType = LabelPrefix + "catalog-type"
)

// AnnotationTypicalDuration is the only annotation of Towpath's that a golden path may give what it makes: on a Job or CronJob, how long a pod of
// a run lasts typically, from 1s to 8760h, such as 59m or 1h30m. Estimates of cost go by it. Default: 5 minutes, or activeDeadlineSeconds
// where that is less.
const AnnotationTypicalDuration = LabelPrefix + "typical-duration"
