package v1alpha1

// Condition types. Ready summarises an object; the others explain it. The meaning follows
// kstatus: Ready=True is Current, Stalled=True is Failed, anything else is in progress.
const (
	// ConditionReady is True when the object does what its spec asks for.
	ConditionReady = "Ready"
	// ConditionStalled is True when the object will not become Ready until somebody changes
	// something; it is absent otherwise.
	ConditionStalled = "Stalled"
	// ConditionPromoted is True on a Component when every environment of its path runs the
	// version that the spec asks for. Waiting for promotion does not make a Component unready.
	ConditionPromoted = "Promoted"
	// ConditionEvidenceKnown is True on a Build where the registry has all that stages, or who recorded the Build, say that there is beside
	// its image; False where it has not, or cannot be asked. It is absent where nothing is said, and where nobody is asked.
	ConditionEvidenceKnown = "EvidenceKnown"
	// ConditionDigestKnown is True on a Build whose image was named by a tag, and whose registry told which digest that has; False
	// where no registry told it. It is absent where a stage, or who recorded the Build, named the digest. It does not make a Build unready.
	ConditionDigestKnown = "DigestKnown"
	// ConditionOverridesExpiring is True on a Component when one of its overrides has expired, or will within
	// 14 days; it is absent otherwise. It does not make a Component unready.
	ConditionOverridesExpiring = "OverridesExpiring"
	// ConditionPipelineInStep is True on a Component when the workflow in its repository is the one that its golden path makes, and
	// Unknown where that cannot be told. It is absent where the engine keeps no workflow there, and where the manager's configuration
	// says nothing of workflows. It does not make a Component unready.
	ConditionPipelineInStep = "PipelineInStep"
	// ConditionWithinLimits is True on an Environment that something bounds (a quota, a lifetime, limits of the team) when
	// the environment uses no more, and asks for no more than its class allows; it is absent where nothing does. It is False, too,
	// when the class is for the team no more. It does not make an Environment unready.
	ConditionWithinLimits = "WithinLimits"
	// ConditionExpiring is True on an Environment whose end is near; it is absent otherwise. It does not make an
	// Environment unready.
	ConditionExpiring = "Expiring"
	// ConditionAsleep is True on an Environment while it sleeps; it is absent where nothing may have it sleep. It does not
	// make an Environment unready.
	ConditionAsleep = "Asleep"
	// ConditionApplied is True on a Release when every object of its inventory was accepted
	// by the API server. What only older Releases listed is pruned later, once this one is Ready.
	ConditionApplied = "Applied"
	// ConditionDelivered is True on a Release whose class delivers by Git when the branch that is followed holds it; it is absent
	// where Towpath applies Releases itself. A Release can be Ready only where it was True once.
	ConditionDelivered = "Delivered"
	// ConditionWithinBudget is True on a Budget while what is spent in the period is below its amount. It does not make a Budget
	// unready.
	ConditionWithinBudget = "WithinBudget"
	// ConditionForecastWithinBudget is True on a Budget while the forecast of the period is not above its amount, False when it is, and
	// Unknown where nothing can be forecast. It does not make a Budget unready.
	ConditionForecastWithinBudget = "ForecastWithinBudget"
	// ConditionAlertsDelivered is True on a Budget when every target of alerts can be used and has got what it is owed; it is absent where
	// there are no targets. It does not make a Budget unready.
	ConditionAlertsDelivered = "AlertsDelivered"
	// ConditionHistoryKept is False on a Budget and a CostSource while the history of daily costs is lost with the manager's pod; it is absent
	// where it is kept, where nobody can tell, and where there is none. It does not make either unready.
	ConditionHistoryKept = "HistoryKept"
	// ConditionChecked is True on a Release when every check of it has passed, False when one has failed; it is absent
	// where there are none, and before they begin. A Release with checks is Ready only where it is True once.
	ConditionChecked = "Checked"
)

// Reasons of more than one kind.
const (
	// ReasonReady: everything that the spec asks for is there and healthy.
	ReasonReady = "Ready"
	// ReasonProgressing: work is under way; the message says on what.
	ReasonProgressing = "Progressing"
	// ReasonDeleting: the object is being deleted; the message says what is awaited.
	ReasonDeleting = "Deleting"
	// ReasonNotTeamNamespace: the namespace lacks the labels of a team namespace.
	ReasonNotTeamNamespace = "NotTeamNamespace"
	// ReasonAsleep: the environment sleeps: what has pods has none, and nothing of it shows whether it works.
	ReasonAsleep = "Asleep"
	// ReasonGuardrailsInvalid: the API server refuses a quota, the bounds of containers or a label that a class, or the
	// quota of an Environment, asks for; what can be made of it is made and kept.
	ReasonGuardrailsInvalid = "GuardrailsInvalid"
	// ReasonSleepInvalid: a window of sleep cannot be read, never opens, never closes or is not allowed; it does nothing.
	ReasonSleepInvalid = "SleepInvalid"
	// ReasonConsentMissing: what is to be taken over does not bear the annotation that allows it.
	ReasonConsentMissing = "ConsentMissing"
)

// Reasons of a ServiceTemplate and of a ServiceTemplateRevision.
const (
	// ReasonCompiled: the template compiled and its revision may be used.
	ReasonCompiled = "Compiled"
	// ReasonCompileFailed: the template does not compile; the last good revision keeps serving.
	ReasonCompileFailed = "CompileFailed"
	// ReasonBreakingChange: the template compiles, and Components that use it could fail at what it changes; the
	// revision before keeps serving.
	ReasonBreakingChange = "BreakingChange"
	// ReasonSchemaUnavailable: the API server did not give the schemas to check against.
	ReasonSchemaUnavailable = "SchemaUnavailable"
)

// Reasons of an EnvironmentClass.
const (
	// ReasonAccepted: the class may be used by Environments.
	ReasonAccepted = "Accepted"
	// ReasonDeliveryInvalid: the class delivers by Git to a path that cannot be.
	ReasonDeliveryInvalid = "DeliveryInvalid"
	// ReasonFreezeInvalid: a freeze of the class cannot be read, never opens or never closes.
	ReasonFreezeInvalid = "FreezeInvalid"
	// ReasonSupplyChainInvalid: a key of the class that proofs are signed by cannot be read; nothing that needs it enters.
	ReasonSupplyChainInvalid = "SupplyChainInvalid"
)

// Reasons of an Environment.
const (
	// ReasonClassNotFound: the EnvironmentClass does not exist.
	ReasonClassNotFound = "ClassNotFound"
	// ReasonNamespaceTaken: the workload namespace exists and belongs to somebody else.
	ReasonNamespaceTaken = "NamespaceTaken"
	// ReasonNamespaceNotFound: the namespace that the Environment is to adopt does not exist.
	ReasonNamespaceNotFound = "NamespaceNotFound"
	// ReasonClassNotAllowed: the class is not for the team of the Environment, or is so no more.
	ReasonClassNotAllowed = "ClassNotAllowed"
	// ReasonWithinLimits: the environment uses no more than its quota.
	ReasonWithinLimits = "WithinLimits"
	// ReasonAboveClass: the Environment asks for a higher quota or a longer lifetime than its class allows; that of the
	// class holds.
	ReasonAboveClass = "AboveClass"
	// ReasonTeamLimitReached: the team has as many environments of the class as it may have.
	ReasonTeamLimitReached = "TeamLimitReached"
	// ReasonTeamQuotaExceeded: the ceilings of the team's environments of the class add up to more than it may have.
	ReasonTeamQuotaExceeded = "TeamQuotaExceeded"
	// ReasonCeilingMissing: the environment has no ceiling of a resource that the class bounds for the whole team.
	ReasonCeilingMissing = "CeilingMissing"
	// ReasonExpiring: the environment ends soon, and is deleted then with everything in it.
	ReasonExpiring = "Expiring"
	// ReasonAwake: the environment is awake, and may sleep at other times.
	ReasonAwake = "Awake"
	// ReasonNamespaceTerminating: the workload namespace is being deleted and will be made anew.
	ReasonNamespaceTerminating = "NamespaceTerminating"
)

// Reasons of a Component.
const (
	// ReasonTemplateNotFound: the ServiceTemplate does not exist, or never compiled.
	ReasonTemplateNotFound = "TemplateNotFound"
	// ReasonRevisionNotFound: the pinned revision of the ServiceTemplate does not exist.
	ReasonRevisionNotFound = "RevisionNotFound"
	// ReasonParametersInvalid: the parameters do not fit the template's schema.
	ReasonParametersInvalid = "ParametersInvalid"
	// ReasonRenderFailed: an expression of the template failed on these parameters.
	ReasonRenderFailed = "RenderFailed"
	// ReasonOverrideRefused: an override sets what the template does not open, or cannot be merged.
	ReasonOverrideRefused = "OverrideRefused"
	// ReasonOverrideExpiring: an override expires within 14 days.
	ReasonOverrideExpiring = "OverrideExpiring"
	// ReasonOverrideExpired: an override has expired, and is still in the spec.
	ReasonOverrideExpired = "OverrideExpired"
	// ReasonRefused: the guard refused a rendered object.
	ReasonRefused = "Refused"
	// ReasonEnvironmentNotFound: an environment of the path does not exist (yet).
	ReasonEnvironmentNotFound = "EnvironmentNotFound"
	// ReasonEnvironmentNotReady: an environment of the path exists and is not Ready.
	ReasonEnvironmentNotReady = "EnvironmentNotReady"
	// ReasonWaitingForPrevious: the version must become Ready in the environment before.
	ReasonWaitingForPrevious = "WaitingForPrevious"
	// ReasonWaitingForChecks: what the version must pass in the environment before is not passed yet, or has failed.
	ReasonWaitingForChecks = "WaitingForChecks"
	// ReasonChecksInvalid: a check cannot be made: an expression of it fails, its Job may not run, or nobody may ask what it asks.
	ReasonChecksInvalid = "ChecksInvalid"
	// ReasonSoaking: the version has not been Ready for long enough in the environment before.
	ReasonSoaking = "Soaking"
	// ReasonWaitingForApproval: people must approve the Release.
	ReasonWaitingForApproval = "WaitingForApproval"
	// ReasonWaitingForPromotion: somebody must say that the Release may go on.
	ReasonWaitingForPromotion = "WaitingForPromotion"
	// ReasonAuthorUnknown: authors may not approve, and it is not known who they are.
	ReasonAuthorUnknown = "AuthorUnknown"
	// ReasonRejected: somebody rejected the version for the environment.
	ReasonRejected = "Rejected"
	// ReasonTierMissing: the path lacks an environment of a tier that the class requires before.
	ReasonTierMissing = "TierMissing"
	// ReasonDigestMissing: the class asks for proofs of images, and an image is named by a tag alone.
	ReasonDigestMissing = "DigestMissing"
	// ReasonProofMissing: an image lacks a proof that the class asks for.
	ReasonProofMissing = "ProofMissing"
	// ReasonProofUnknown: the registry of an image is yet to say what is proven of it, or does not.
	ReasonProofUnknown = "ProofUnknown"
	// ReasonFrozen: a freeze of the class keeps everything new out.
	ReasonFrozen = "Frozen"
	// ReasonRolledBack: the environment went back to what ran before, and the version does not enter.
	ReasonRolledBack = "RolledBack"
	// ReasonRollbackImpossible: the Release to go back to does not exist, or was never Ready.
	ReasonRollbackImpossible = "RollbackImpossible"
	// ReasonUsesInvalid: the Component cannot use what spec.uses names: they use each other in a circle, or
	// two of them have one name.
	ReasonUsesInvalid = "UsesInvalid"
	// ReasonWaitingForBuild: a Component that names no image has no Build yet that succeeded.
	ReasonWaitingForBuild = "WaitingForBuild"
	// ReasonWaitingForProvider: a Component that this one uses does not exist, does not run in the environment,
	// or was not Ready there yet.
	ReasonWaitingForProvider = "WaitingForProvider"
	// ReasonPromoted: every environment of the path runs the version of the spec.
	ReasonPromoted = "Promoted"
	// ReasonReleaseFailed: the Release assigned to an environment failed.
	ReasonReleaseFailed = "ReleaseFailed"
)

// Reasons of a Release.
const (
	// ReasonChecking: every object is ready, and the checks are being made.
	ReasonChecking = "Checking"
	// ReasonChecksPassed: every check has passed.
	ReasonChecksPassed = "ChecksPassed"
	// ReasonChecksFailed: a check failed more often than it may.
	ReasonChecksFailed = "ChecksFailed"
	// ReasonApplied: every object was accepted by the API server.
	ReasonApplied = "Applied"
	// ReasonApplyFailed: the API server did not take an object. With Stalled, the content is refused and
	// is tried again rarely; without, it is tried again soon.
	ReasonApplyFailed = "ApplyFailed"
	// ReasonObjectTaken: an object of that name exists and belongs to somebody else.
	ReasonObjectTaken = "ObjectTaken"
	// ReasonObjectNotFound: an object that is to be taken over does not exist.
	ReasonObjectNotFound = "ObjectNotFound"
	// ReasonKindUnavailable: the cluster does not serve a kind that the Release needs.
	ReasonKindUnavailable = "KindUnavailable"
	// ReasonRolloutFailed: an object reports that its roll-out failed.
	ReasonRolloutFailed = "RolloutFailed"
	// ReasonImagePullFailed: a container's image cannot be pulled.
	ReasonImagePullFailed = "ImagePullFailed"
	// ReasonConfigurationMissing: a Secret, a ConfigMap or a key that a pod takes from one is missing.
	ReasonConfigurationMissing = "ConfigurationMissing"
	// ReasonContainerStartFailed: the container runtime cannot start a container.
	ReasonContainerStartFailed = "ContainerStartFailed"
	// ReasonCrashLoop: a container starts, and ends.
	ReasonCrashLoop = "CrashLoop"
	// ReasonOutOfMemory: a container needed more memory than its limit, and was killed.
	ReasonOutOfMemory = "OutOfMemory"
	// ReasonProbeFailed: a container runs, and its startup or readiness probe does not pass.
	ReasonProbeFailed = "ProbeFailed"
	// ReasonUnschedulable: no node takes a pod.
	ReasonUnschedulable = "Unschedulable"
	// ReasonVolumeUnavailable: a volume of a pod is not there, or cannot be mounted.
	ReasonVolumeUnavailable = "VolumeUnavailable"
	// ReasonEvicted: a node had to end a pod, since it ran out of memory or disk.
	ReasonEvicted = "Evicted"
	// ReasonQuotaExceeded: a quota of the namespace leaves no room for a pod.
	ReasonQuotaExceeded = "QuotaExceeded"
	// ReasonPodsRefused: pod security, a webhook or a policy refuses the pods.
	ReasonPodsRefused = "PodsRefused"
	// ReasonSuperseded: a newer Release took this one's place.
	ReasonSuperseded = "Superseded"
	// ReasonRevisionMissing: the ServiceTemplateRevision of the Release is gone.
	ReasonRevisionMissing = "RevisionMissing"
	// ReasonDelivering: the Release is on its way to the repository.
	ReasonDelivering = "Delivering"
	// ReasonDelivered: the branch that is followed holds the Release.
	ReasonDelivered = "Delivered"
	// ReasonWaitingForMerge: a branch of the Release's own holds it, and somebody must merge that.
	ReasonWaitingForMerge = "WaitingForMerge"
	// ReasonWaitingForSync: the branch holds the Release, and what follows it has not applied all objects yet.
	ReasonWaitingForSync = "WaitingForSync"
	// ReasonSyncFailed: Argo CD or Flux says that it cannot apply what the branch holds.
	ReasonSyncFailed = "SyncFailed"
	// ReasonRepositoryUnreachable: the repository does not answer; it is tried again.
	ReasonRepositoryUnreachable = "RepositoryUnreachable"
	// ReasonRepositoryRefused: the repository cannot be used as it is: by its credentials, host key, address or branch.
	ReasonRepositoryRefused = "RepositoryRefused"
	// ReasonPushDeclined: the server declines the push, by a protected branch or a hook.
	ReasonPushDeclined = "PushDeclined"
	// ReasonDeliveryRefused: the Release cannot be committed as it is, or what stands where its files belong is not Towpath's.
	ReasonDeliveryRefused = "DeliveryRefused"
	// ReasonPruneFailed: an object that is no longer wanted could not be deleted; it is tried again.
	ReasonPruneFailed = "PruneFailed"
)

// Reasons of both a Budget and a CostSource.
const (
	// ReasonHistoryUnavailable: the history of daily costs is not kept, or cannot be read or written.
	ReasonHistoryUnavailable = "HistoryUnavailable"
	// ReasonHistoryLostWithPod: the history of daily costs is a file on a volume that goes with the manager's pod.
	ReasonHistoryLostWithPod = "HistoryLostWithPod"
)

// Reasons of a Build.
const (
	// ReasonBuilt: the image is there.
	ReasonBuilt = "Built"
	// ReasonBuilding: stages run.
	ReasonBuilding = "Building"
	// ReasonBuildQueued: another Build of the Component comes first.
	ReasonBuildQueued = "BuildQueued"
	// ReasonBuildFailed: a stage failed, or the Build took too long.
	ReasonBuildFailed = "BuildFailed"
	// ReasonBuildCancelled: a newer commit, or the end of what it belongs to, took the Build back.
	ReasonBuildCancelled = "BuildCancelled"
	// ReasonPipelineInvalid: what the golden path says cannot be run for this Component.
	ReasonPipelineInvalid = "PipelineInvalid"
	// ReasonComponentNotFound: the Component of the Build does not exist (yet).
	ReasonComponentNotFound = "ComponentNotFound"
	// ReasonResolvingDigest: the Build has succeeded, and its registry is asked which digest the tag of its image has.
	ReasonResolvingDigest = "ResolvingDigest"
	// ReasonEvidenceFound: the registry has what is said to be beside the image, and each names the digest of that.
	ReasonEvidenceFound = "EvidenceFound"
	// ReasonEvidenceUnknown: the registry has not all that is said to be beside the image, or could not be asked.
	ReasonEvidenceUnknown = "EvidenceUnknown"
	// ReasonDigestResolved: the registry told the digest, and Releases name the image by it.
	ReasonDigestResolved = "DigestResolved"
	// ReasonDigestUnknown: no registry told the digest, and Releases name the image by its tag.
	ReasonDigestUnknown = "DigestUnknown"
	// ReasonPipelineInStep: the workflow in the repository is the one that the golden path makes.
	ReasonPipelineInStep = "PipelineInStep"
	// ReasonPipelineBehind: the workflow in the repository is another than the golden path makes.
	ReasonPipelineBehind = "PipelineBehind"
	// ReasonWaitingForRecord: another engine builds, and has not recorded what it built.
	ReasonWaitingForRecord = "WaitingForRecord"
	// ReasonEngineNotInstalled: the Component is to be built by software that the cluster does not have.
	ReasonEngineNotInstalled = "EngineNotInstalled"
)

// Reasons of a CostSource.
const (
	// ReasonImported: the source was read to the end, and what it says is in the history.
	ReasonImported = "Imported"
	// ReasonSuspended: the source is not read, since its spec says so.
	ReasonSuspended = "Suspended"
	// ReasonNotReachable: the source does not answer, or answers with an error of its own.
	ReasonNotReachable = "NotReachable"
	// ReasonThrottled: the source has been asked too often, and says so.
	ReasonThrottled = "Throttled"
	// ReasonRequestLimitReached: as many requests as a day may have were sent.
	ReasonRequestLimitReached = "RequestLimitReached"
	// ReasonCredentialsRefused: the source does not take the credentials, or they cannot be read.
	ReasonCredentialsRefused = "CredentialsRefused"
	// ReasonBillInvalid: what the source says cannot be understood, or cannot be true.
	ReasonBillInvalid = "BillInvalid"
	// ReasonIncomplete: what the source says was cut off, or changed while it was read; nothing of it counts.
	ReasonIncomplete = "Incomplete"
	// ReasonSourceInvalid: what the spec names cannot be read: it does not exist, or may not be reached.
	ReasonSourceInvalid = "SourceInvalid"
)

// Reasons of a Budget.
const (
	// ReasonSpendingDenied: a Release would raise the forecast over a limit on spending that denies, and waits.
	ReasonSpendingDenied = "SpendingDenied"
	// ReasonWaitingForSpendingApproval: a Release would raise the forecast over a limit on spending, and needs somebody who approves that.
	ReasonWaitingForSpendingApproval = "WaitingForSpendingApproval"
	// ReasonBudgetInvalid: the amount, the currency, the period or the scope of a Budget means nothing.
	ReasonBudgetInvalid = "BudgetInvalid"
	// ReasonWithinBudget: what is spent, or the forecast, is within the amount.
	ReasonWithinBudget = "WithinBudget"
	// ReasonBudgetSpent: the amount of the period is spent.
	ReasonBudgetSpent = "BudgetSpent"
	// ReasonForecastExceeded: the period will have cost more than the amount.
	ReasonForecastExceeded = "ForecastExceeded"
	// ReasonForecastUnknown: nothing is known that could be forecast from.
	ReasonForecastUnknown = "ForecastUnknown"
	// ReasonAlertsDelivered: every target of alerts has got what it is owed.
	ReasonAlertsDelivered = "AlertsDelivered"
	// ReasonAlertsWaiting: an alert is yet to be delivered, or a target of alerts cannot be used.
	ReasonAlertsWaiting = "AlertsWaiting"
)

// Reasons of status.source of a Component: why its repository cannot be asked, or not be built from. They are no reasons of conditions.
// CredentialsRefused, NotReachable, EnvironmentNotFound and EnvironmentNotReady stand there, too.
const (
	// ReasonAddressRefused: the repository's address must not be reached, is none, or leads elsewhere.
	ReasonAddressRefused = "AddressRefused"
	// ReasonBranchNotFound: the repository has no such branch.
	ReasonBranchNotFound = "BranchNotFound"
	// ReasonCredentialsMissing: the repository asks for credentials, which are not there or cannot be read.
	ReasonCredentialsMissing = "CredentialsMissing"
	// ReasonCredentialsUnreadable: the manager may not read the Secret with the credentials.
	ReasonCredentialsUnreadable = "CredentialsUnreadable"
	// ReasonHostKeyRefused: the server of SSH has another key than known_hosts says, or none that it says.
	ReasonHostKeyRefused = "HostKeyRefused"
	// ReasonPathNotFound: the branch has nothing at the path that is built from.
	ReasonPathNotFound = "PathNotFound"
	// ReasonRepositoryNotFound: there is no such repository, or the credentials do not see it.
	ReasonRepositoryNotFound = "RepositoryNotFound"
	// ReasonRepositoryUnsupported: the server lacks what is needed, or answers more than is read.
	ReasonRepositoryUnsupported = "RepositoryUnsupported"
)
