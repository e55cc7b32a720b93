package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// CostSourceType is what a CostSource reads.
// +kubebuilder:validation:Enum=OpenCost;AWSCostExplorer;FOCUS
type CostSourceType string

// What can be read.
const (
	// CostSourceOpenCost reads how OpenCost allocates the cost of a cluster to what runs in it.
	CostSourceOpenCost CostSourceType = "OpenCost"
	// CostSourceAWSCostExplorer reads the bill of AWS from Cost Explorer.
	CostSourceAWSCostExplorer CostSourceType = "AWSCostExplorer"
	// CostSourceFOCUS reads bills in the FinOps Open Cost and Usage Specification, 1.0 to 1.4.
	CostSourceFOCUS CostSourceType = "FOCUS"
)

// CostSourceMode is whether a CostSource is read.
// +kubebuilder:validation:Enum=Scheduled;Suspended
type CostSourceMode string

// The modes.
const (
	// CostSourceScheduled reads every intervalSeconds.
	CostSourceScheduled CostSourceMode = "Scheduled"
	// CostSourceSuspended reads nothing, and keeps what was read.
	CostSourceSuspended CostSourceMode = "Suspended"
)

// TeamCosts is whether what a CostSource tells of teams counts.
// +kubebuilder:validation:Enum=Counted;Informative
type TeamCosts string

// What becomes of it.
const (
	// TeamCostsCounted has it count in the teams' budgets and reports.
	TeamCostsCounted TeamCosts = "Counted"
	// TeamCostsInformative keeps it beside: it is in the history and in reconciliations, and in no budget.
	TeamCostsInformative TeamCosts = "Informative"
)

// OpenCostSource is where OpenCost answers.
type OpenCostSource struct {
	// url of OpenCost's API, such as http://opencost.opencost.svc:9003. It must begin with http:// or https:// and have no
	// user, query or fragment. Credentials for it, and an authority of its own, come from the entry of the Secret
	// towpath-costsources in towpath-system that has this address.
	// +required
	// +kubebuilder:validation:MinLength=8
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^https?://[^?#@\s]+$`
	URL string `json:"url,omitempty"`
	// currency of its prices, by ISO 4217: OpenCost does not tell. Default: USD.
	// +optional
	// +kubebuilder:default=USD
	// +kubebuilder:validation:Pattern=`^[A-Z]{3}$`
	// +kubebuilder:validation:MaxLength=3
	Currency string `json:"currency,omitempty"`
}

// AWSCostExplorerSource is how Cost Explorer is asked.
type AWSCostExplorerSource struct {
	// teamTag is the cost allocation tag whose value is the team; it must be activated in AWS' billing console. Cost
	// Explorer groups by two things, the other of which is the service, so that environment and component are not known.
	// Default: team.
	// +optional
	// +kubebuilder:default=team
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	TeamTag string `json:"teamTag,omitempty"`
	// region to ask in. Cost Explorer answers in us-east-1 for all regions; cn-northwest-1 in China. Default: us-east-1.
	// +optional
	// +kubebuilder:default=us-east-1
	// +kubebuilder:validation:Pattern=`^[a-z0-9-]+$`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	Region string `json:"region,omitempty"`
	// endpoint to ask in place of AWS' own, such as that of a VPC endpoint. Default: that of the region.
	// +optional
	// +kubebuilder:validation:MinLength=8
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^https?://[^?#@\s]+$`
	Endpoint string `json:"endpoint,omitempty"`
	// credentialsKey is the key in the Secret towpath-costsources of towpath-system that holds accessKeyID and
	// secretAccessKey, and perhaps sessionToken, in YAML. Default: none, and the manager's own identity counts, as by the
	// role of its service account (IRSA) or EKS Pod Identity. It needs ce:GetCostAndUsage alone.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	CredentialsKey string `json:"credentialsKey,omitempty"`
	// maxRequestsPerDay is how many requests may be sent in a day of UTC, tries that failed among them; AWS charges $0.01
	// each. An import that would need more ends, counts for nothing, and is tried the next day. Default: 40. 2 to 1000.
	// +optional
	// +kubebuilder:default=40
	// +kubebuilder:validation:Minimum=2
	// +kubebuilder:validation:Maximum=1000
	MaxRequestsPerDay int32 `json:"maxRequestsPerDay,omitempty"`
	// rereadDays is how many days before today are read again each time though they are final, for corrections that come
	// late. They cost nothing more while the answer fits on a page. Days that AWS calls estimated, such as those of a month
	// that is not closed, are read again in any case. Default: 3. 1 to 62.
	// +optional
	// +kubebuilder:default=3
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=62
	RereadDays int32 `json:"rereadDays,omitempty"`
}

// FOCUSVolume is a folder of a volume.
type FOCUSVolume struct {
	// path of the folder, or of one file, in a volume of the manager. Files whose names end in .csv, .gz or .parquet are
	// read, and no others.
	// +required
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^/.+$`
	Path string `json:"path,omitempty"`
}

// FOCUSHTTP is files on web servers.
type FOCUSHTTP struct {
	// urls of the files. Each must begin with http:// or https://, have no user, query or fragment, and end in .csv, .gz or
	// .parquet: what is secret stands in the entry of the Secret towpath-costsources that has this address. Files in the
	// same folder are parts of one bill. When the list changes, what it says of a billing period takes the place of what it
	// said of it before.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=8
	// +kubebuilder:validation:items:MaxLength=1024
	// +kubebuilder:validation:items:Pattern=`^https?://[^?#@\s]+$`
	URLs []string `json:"urls,omitempty"`
}

// S3Addressing is where the name of a bucket stands.
// +kubebuilder:validation:Enum=VirtualHost;Path
type S3Addressing string

// The ways to name a bucket.
const (
	// S3VirtualHost names it in the host: https://bucket.host/key.
	S3VirtualHost S3Addressing = "VirtualHost"
	// S3Path names it in the path: https://host/bucket/key, as servers of one's own mostly want.
	S3Path S3Addressing = "Path"
)

// FOCUSS3 is a bucket of S3, or of what speaks like it.
type FOCUSS3 struct {
	// bucket with the files.
	// +required
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9][a-z0-9.-]+[a-z0-9]$`
	Bucket string `json:"bucket,omitempty"`
	// prefix of the keys that are read, such as exports/focus/. Default: all.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Prefix string `json:"prefix,omitempty"`
	// region of the bucket. Default: us-east-1.
	// +optional
	// +kubebuilder:default=us-east-1
	// +kubebuilder:validation:Pattern=`^[a-z0-9-]+$`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	Region string `json:"region,omitempty"`
	// endpoint in place of AWS' own, such as https://minio.storage.svc:9000. Default: that of the region.
	// +optional
	// +kubebuilder:validation:MinLength=8
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^https?://[^?#@\s]+$`
	Endpoint string `json:"endpoint,omitempty"`
	// addressing is where the name of the bucket stands. Default: VirtualHost.
	// +optional
	// +kubebuilder:default=VirtualHost
	Addressing S3Addressing `json:"addressing,omitempty"`
	// credentialsKey is as in awsCostExplorer. It needs s3:ListBucket and s3:GetObject for the prefix alone.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	CredentialsKey string `json:"credentialsKey,omitempty"`
}

// FOCUSSource is where FOCUS files are: exactly one of its members is set.
// +kubebuilder:validation:XValidation:rule="[has(self.volume), has(self.http), has(self.s3)].filter(x, x).size() == 1",message="exactly one of volume, http and s3 must be set"
type FOCUSSource struct {
	// volume is a folder that the manager mounts.
	// +optional
	Volume *FOCUSVolume `json:"volume,omitempty"`
	// http is files on web servers.
	// +optional
	HTTP *FOCUSHTTP `json:"http,omitempty"`
	// s3 is a bucket.
	// +optional
	S3 *FOCUSS3 `json:"s3,omitempty"`
}

// CostAttribution says by which tags or labels a charge finds its owner. Of each list the first key that has a value counts.
type CostAttribution struct {
	// teamKeys are those whose value is a team. A charge of a team that does not exist is nobody's. Default:
	// platform.towpath.dev/team, team.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=4
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=128
	TeamKeys []string `json:"teamKeys,omitempty"`
	// environmentKeys are those whose value is an environment. Default: platform.towpath.dev/environment, environment.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=4
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=128
	EnvironmentKeys []string `json:"environmentKeys,omitempty"`
	// componentKeys are those whose value is a component. Default: platform.towpath.dev/component, component.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=4
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=128
	ComponentKeys []string `json:"componentKeys,omitempty"`
}

// CurrencyConversion makes amounts of one currency amounts of another, by a rate that the platform team states.
// +kubebuilder:validation:XValidation:rule="self.from != self.to",message="from and to must differ"
type CurrencyConversion struct {
	// from is the currency of the bill, by ISO 4217.
	// +required
	// +kubebuilder:validation:Pattern=`^[A-Z]{3}$`
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=3
	From string `json:"from,omitempty"`
	// to is the currency that its amounts become, by ISO 4217.
	// +required
	// +kubebuilder:validation:Pattern=`^[A-Z]{3}$`
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=3
	To string `json:"to,omitempty"`
	// rate is how many of to one of from is, as a decimal such as "1.0825". A new rate counts for what is read from then on.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=24
	// +kubebuilder:validation:Pattern=`^[0-9]{1,9}(\.[0-9]{1,12})?$`
	// +kubebuilder:validation:XValidation:rule="self.matches('[1-9]')",message="rate must be more than 0"
	Rate string `json:"rate,omitempty"`
}

// CostSourceSpec is where bills come from, and how often they are read.
// +kubebuilder:validation:XValidation:rule="(self.type == 'OpenCost') == has(self.openCost)",message="openCost must be set where type is OpenCost, and only there"
// +kubebuilder:validation:XValidation:rule="(self.type == 'AWSCostExplorer') == has(self.awsCostExplorer)",message="awsCostExplorer must be set where type is AWSCostExplorer, and only there"
// +kubebuilder:validation:XValidation:rule="(self.type == 'FOCUS') == has(self.focus)",message="focus must be set where type is FOCUS, and only there"
type CostSourceSpec struct {
	// type is what is read. It must not change: what was read would be counted beside what is read then.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="type must not change: make another CostSource, and delete this one"
	Type CostSourceType `json:"type,omitempty"`
	// openCost is where OpenCost answers.
	// +optional
	OpenCost *OpenCostSource `json:"openCost,omitempty"`
	// awsCostExplorer is how Cost Explorer is asked.
	// +optional
	AWSCostExplorer *AWSCostExplorerSource `json:"awsCostExplorer,omitempty"`
	// focus is where FOCUS files are.
	// +optional
	FOCUS *FOCUSSource `json:"focus,omitempty"`
	// mode is whether it is read. What was read stays in the history either way. Default: Scheduled.
	// +optional
	// +kubebuilder:default=Scheduled
	Mode CostSourceMode `json:"mode,omitempty"`
	// teamCosts is whether what it tells of teams counts in their budgets and reports. All sources that count are added up, so
	// of two that tell the same of a team one must be Informative: such as OpenCost, where the cloud's bill allocates clusters
	// itself. Where the bill has the team's databases, and OpenCost its share of nodes that are nobody's in the bill, both
	// count. Default: Counted.
	// +optional
	// +kubebuilder:default=Counted
	TeamCosts TeamCosts `json:"teamCosts,omitempty"`
	// intervalSeconds is how long it takes from one import to the next, and up to a tenth more, so that not all come at once.
	// An import that failed is tried again sooner at first. Default: 21600, six hours. 600 to 86400.
	// +optional
	// +kubebuilder:default=21600
	// +kubebuilder:validation:Minimum=600
	// +kubebuilder:validation:Maximum=86400
	IntervalSeconds int32 `json:"intervalSeconds,omitempty"`
	// backfillDays is how many days before today are read the first time. Of FOCUS files, billing periods that end earlier are
	// left out, unless they were read before. Cost Explorer goes back 13 months at most, and OpenCost as far as its
	// Prometheus. Default: 30. 1 to 400.
	// +optional
	// +kubebuilder:default=30
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=400
	BackfillDays int32 `json:"backfillDays,omitempty"`
	// settleSeconds is for how long after its end a day is provisional: it counts as spent, and nothing is learned from it.
	// Default: 172800, two days. 3600 to 2592000, 30 days.
	// +optional
	// +kubebuilder:default=172800
	// +kubebuilder:validation:Minimum=3600
	// +kubebuilder:validation:Maximum=2592000
	SettleSeconds int32 `json:"settleSeconds,omitempty"`
	// attribution says by which tags or labels a charge finds its owner. For Cost Explorer, awsCostExplorer.teamTag does.
	// Default: the labels of Towpath, and after them team, environment and component.
	// +optional
	Attribution *CostAttribution `json:"attribution,omitempty"`
	// conversions make amounts of one currency amounts of another before they are stored. Default: none, and amounts of
	// different currencies stand beside each other, never added.
	// +optional
	// +listType=map
	// +listMapKey=from
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Conversions []CurrencyConversion `json:"conversions,omitempty"`
}

// CoveredDays are the days of which something is known.
type CoveredDays struct {
	// from is the first day, as 2026-11-01.
	// +required
	// +kubebuilder:validation:MinLength=10
	// +kubebuilder:validation:MaxLength=10
	From string `json:"from,omitempty"`
	// to is the last day.
	// +required
	// +kubebuilder:validation:MinLength=10
	// +kubebuilder:validation:MaxLength=10
	To string `json:"to,omitempty"`
	// missing is how many days between the two nothing is known of. They are not taken for days without cost.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Missing int32 `json:"missing,omitempty"`
	// provisionalSince is the first day that is not final. Absent where all are.
	// +optional
	// +kubebuilder:validation:MaxLength=10
	ProvisionalSince string `json:"provisionalSince,omitempty"`
}

// CurrencySummary is what the last 30 days that are covered cost, in one currency.
type CurrencySummary struct {
	// currency by ISO 4217.
	// +required
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=3
	Currency string `json:"currency,omitempty"`
	// cost is all of it, taxes, credits and adjustments too, with commitments spread over their use.
	// +required
	Cost Amount `json:"cost,omitempty"`
	// unallocated is how much of cost is no team's.
	// +required
	Unallocated Amount `json:"unallocated,omitempty"`
	// coverage is the share of usage and purchases that is a team's, from 0 to 1, such as "0.9312". Absent where they cost
	// nothing.
	// +optional
	// +kubebuilder:validation:MaxLength=8
	Coverage string `json:"coverage,omitempty"`
}

// CostReconciliation is a bill beside what OpenCost allocates, in one currency, over the final days that both cover, of the
// last 30.
type CostReconciliation struct {
	// currency by ISO 4217.
	// +required
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=3
	Currency string `json:"currency,omitempty"`
	// days is how many there are.
	// +required
	// +kubebuilder:validation:Minimum=1
	Days int32 `json:"days,omitempty"`
	// billed is what the bill says that they cost, with commitments spread over their use.
	// +required
	Billed Amount `json:"billed,omitempty"`
	// allocated is what the CostSources of type OpenCost say.
	// +required
	Allocated Amount `json:"allocated,omitempty"`
	// residual is billed less allocated: what the account pays for beside the clusters, and by how much the prices of
	// OpenCost are off.
	// +required
	Residual Amount `json:"residual,omitempty"`
}

// CostSourceStatus is what was read.
type CostSourceStatus struct {
	// observedGeneration is the generation that the status speaks of.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions are Ready, HistoryKept where the history is not, and Stalled when somebody must act first.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// lastAttempt is when it was read last, with success or not.
	// +optional
	LastAttempt *metav1.Time `json:"lastAttempt,omitempty"`
	// lastSuccess is when it was last read to the end.
	// +optional
	LastSuccess *metav1.Time `json:"lastSuccess,omitempty"`
	// nextAttempt is when it is read next. Absent while it is suspended.
	// +optional
	NextAttempt *metav1.Time `json:"nextAttempt,omitempty"`
	// covered are the days of which something is known. Absent where nothing is.
	// +optional
	Covered *CoveredDays `json:"covered,omitempty"`
	// summaries are what the last 30 days that are covered cost, by currency. There are more where more are listed in the
	// bill: these are the first 16.
	// +optional
	// +listType=map
	// +listMapKey=currency
	// +kubebuilder:validation:MaxItems=16
	Summaries []CurrencySummary `json:"summaries,omitempty"`
	// reconciliation is the bill beside what OpenCost allocates. Absent where there are not both.
	// +optional
	// +listType=map
	// +listMapKey=currency
	// +kubebuilder:validation:MaxItems=16
	Reconciliation []CostReconciliation `json:"reconciliation,omitempty"`
	// unknownTeams are teams that charges name and that do not exist, the first 20 by name. What they cost is unallocated.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	// +kubebuilder:validation:items:MaxLength=253
	UnknownTeams []string `json:"unknownTeams,omitempty"`
	// warnings are what was odd and did not keep anything from counting.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MaxLength=512
	Warnings []string `json:"warnings,omitempty"`
	// rows is how many rows or groups the last import read. 0 where nothing had changed.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Rows int64 `json:"rows,omitempty"`
	// requestsToday is how many requests that cost money were sent on the day of lastAttempt, in UTC.
	// +optional
	// +kubebuilder:validation:Minimum=0
	RequestsToday int32 `json:"requestsToday,omitempty"`
	// requestCostToday is what these cost, in USD, such as "0.04".
	// +optional
	// +kubebuilder:validation:MaxLength=16
	RequestCostToday string `json:"requestCostToday,omitempty"`
}

// CostSource is where bills come from. Towpath reads it on a schedule into the history of daily costs; only summaries stand
// in the status. Sources stand beside each other in the history: of two that say the same, such as Cost Explorer and FOCUS
// files of one account, keep one.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,categories=towpath,shortName=csrc
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Last Success",type=date,JSONPath=`.status.lastSuccess`
// +kubebuilder:printcolumn:name="Until",type=string,JSONPath=`.status.covered.to`
// +kubebuilder:printcolumn:name="Coverage",type=string,JSONPath=`.status.summaries[0].coverage`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="metadata.name must be at most 63 characters"
// +kubebuilder:validation:XValidation:rule="!self.metadata.name.startsWith('towpath-')",message="metadata.name must not begin with towpath-: the history has estimates under such a name"
type CostSource struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard metadata of an object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// spec is where bills come from, and how often they are read.
	// +required
	Spec CostSourceSpec `json:"spec,omitzero"`
	// status is written by the controller.
	// +optional
	Status CostSourceStatus `json:"status,omitzero"`
}

// CostSourceList is a list of CostSources.
//
// +kubebuilder:object:root=true
type CostSourceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []CostSource `json:"items"`
}
