package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// CostReportSource is where the figures of a report come from.
// +kubebuilder:validation:Enum=Bills;Estimates
type CostReportSource string

// The sources.
const (
	// CostsFromBills: from what was billed.
	CostsFromBills CostReportSource = "Bills"
	// CostsFromEstimates: from the estimates of what runs, since no bill of the month names the team.
	CostsFromEstimates CostReportSource = "Estimates"
)

// CostReportState says whether figures may still change.
// +kubebuilder:validation:Enum=Provisional;Settled
type CostReportState string

// The states.
const (
	// CostsProvisional: the month is not over, or some of its days are not final.
	CostsProvisional CostReportState = "Provisional"
	// CostsSettled: the month is over, and all of its days are final. A correction of a bill may change it all the same.
	CostsSettled CostReportState = "Settled"
)

// CostKind says what a row of a report is.
// +kubebuilder:validation:Enum=Own;Others;Idle;Shared
type CostKind string

// The kinds of rows.
const (
	// CostOwn: what the team itself used.
	CostOwn CostKind = "Own"
	// CostOthers: the least rows of the team together, by currency and category, where there are more than a report holds.
	CostOthers CostKind = "Others"
	// CostIdle: the team's part of what was paid for and nobody used.
	CostIdle CostKind = "Idle"
	// CostShared: the team's part of all else that is no team's, such as the control plane, support and taxes.
	CostShared CostKind = "Shared"
)

// CostCategory is what a charge is for, in the words of FOCUS.
// +kubebuilder:validation:Enum=Usage;Purchase;Tax;Credit;Adjustment
type CostCategory string

// The categories.
const (
	CostUsage      CostCategory = "Usage"
	CostPurchase   CostCategory = "Purchase"
	CostTax        CostCategory = "Tax"
	CostCredit     CostCategory = "Credit"
	CostAdjustment CostCategory = "Adjustment"
)

// CommitmentUse says of a commitment whether it was used.
// +kubebuilder:validation:Enum=Unused
type CommitmentUse string

// CommitmentUnused says that nobody used that part of the commitment.
const CommitmentUnused CommitmentUse = "Unused"

// CostReportRow is what one thing cost in the month.
type CostReportRow struct {
	// kind says what the row is: Own, Others, Idle or Shared. Own and Others sum to what the team cost; Idle and Shared are
	// its part of what is no team's, in proportion to what each team cost, and come on top of that.
	// +required
	Kind CostKind `json:"kind,omitempty"`
	// environment of the team, as the bill's tags name it. Absent for what names none.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Environment string `json:"environment,omitempty"`
	// component of the team, as the bill's tags name it. Absent for what names none.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Component string `json:"component,omitempty"`
	// service that was charged for, such as Amazon Elastic Compute Cloud. Names of more than 128 characters are cut.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Service string `json:"service,omitempty"`
	// category of the charges.
	// +required
	Category CostCategory `json:"category,omitempty"`
	// commitment is Unused for the part of a commitment that nobody used, else absent.
	// +optional
	Commitment CommitmentUse `json:"commitment,omitempty"`
	// currency of the amounts, a code of ISO 4217. Amounts of different currencies are never added.
	// +required
	// +kubebuilder:validation:Pattern=`^[A-Z]{3}$`
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=3
	Currency string `json:"currency,omitempty"`
	// billed is what the invoice says. Negative for credits and corrections.
	// +required
	Billed Amount `json:"billed,omitempty"`
	// effective is what the use cost, with commitments spread over what they were used for. It is what
	// reports and budgets go by.
	// +required
	Effective Amount `json:"effective,omitempty"`
	// provisional is how much of effective is not final yet. Absent for nothing.
	// +optional
	Provisional Amount `json:"provisional,omitempty"`
	// days is on how many days of the month there was a charge. Absent in a row of another kind than Own.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=31
	Days int32 `json:"days,omitempty"`
}

// CostCoverage is how much of the cost of all teams together is known to be some team's.
type CostCoverage struct {
	// currency that it is about, a code of ISO 4217.
	// +required
	// +kubebuilder:validation:Pattern=`^[A-Z]{3}$`
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=3
	Currency string `json:"currency,omitempty"`
	// percent of usage and purchases in the whole bill that carries the name of a team, as a decimal from 0 to 100. The
	// rest is in the rows Idle and Shared of all teams.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=8
	// +kubebuilder:validation:Pattern=`^[0-9]{1,3}(\.[0-9]{1,2})?$`
	Percent string `json:"percent,omitempty"`
}

// CostReportContent are the figures of a month.
type CostReportContent struct {
	// team that the report is about.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Team string `json:"team,omitempty"`
	// source of the figures: Bills, or Estimates where no bill of the month names the team. The two are never mixed.
	// +required
	Source CostReportSource `json:"source,omitempty"`
	// state is Provisional until the month is over and all of its days are final, then Settled.
	// +required
	State CostReportState `json:"state,omitempty"`
	// firstDay of the month that there are figures of from that source, for any team, as 2026-10-01.
	// +required
	// +kubebuilder:validation:MinLength=10
	// +kubebuilder:validation:MaxLength=10
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`
	FirstDay string `json:"firstDay,omitempty"`
	// lastDay of the month that there are figures of from that source, for any team, as 2026-10-31.
	// +required
	// +kubebuilder:validation:MinLength=10
	// +kubebuilder:validation:MaxLength=10
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`
	LastDay string `json:"lastDay,omitempty"`
	// combined is how many rows the rows of kind Others stand for. Absent for none.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Combined int32 `json:"combined,omitempty"`
	// coverage by currency: how much of the whole bill is some team's.
	// +optional
	// +listType=map
	// +listMapKey=currency
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Coverage []CostCoverage `json:"coverage,omitempty"`
	// rows are the figures, at most 300: those of kind Own by currency and amount, the dearest first, then Others, Idle
	// and Shared.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=300
	Rows []CostReportRow `json:"rows,omitempty"`
}

// CostReport is what a team cost in a month. Its name is the month, as 2026-10, in UTC. The manager writes it into the
// home namespace of the team once a day, and when a bill was read, but only where a figure changed; it keeps 13 months.
// Nobody else writes one. Whoever may read Components of the team may read its reports: `towpath cost report`.
//
// It is a summary: days are in the manager's history alone.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:categories=towpath,shortName=costs
// +kubebuilder:printcolumn:name="Team",type=string,JSONPath=`.report.team`
// +kubebuilder:printcolumn:name="Source",type=string,JSONPath=`.report.source`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.report.state`
// +kubebuilder:printcolumn:name="Until",type=string,JSONPath=`.report.lastDay`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[0-9]{4}-(0[1-9]|1[0-2])$')",message="metadata.name must be a month, such as 2026-10"
type CostReport struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard metadata of an object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// report are the figures.
	// +required
	Report CostReportContent `json:"report,omitzero"`
}

// CostReportList is a list of CostReports.
//
// +kubebuilder:object:root=true
type CostReportList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []CostReport `json:"items"`
}

// AnnotationFigures is, on a CostReport, a hash of its figures: by it the manager sees, without reading them, whether
// they are still the same.
const AnnotationFigures = LabelPrefix + "figures"
