package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ThresholdBasis says what is compared with a threshold.
// +kubebuilder:validation:Enum=Actual;Forecast
type ThresholdBasis string

// The bases.
const (
	// BasisActual is what is spent.
	BasisActual ThresholdBasis = "Actual"
	// BasisForecast is what will be spent at the end of the period.
	BasisForecast ThresholdBasis = "Forecast"
)

// BudgetThreshold is a line whose crossing is told.
// +kubebuilder:validation:XValidation:rule="has(self.percent) != has(self.amount)",message="a threshold must have either percent or amount"
type BudgetThreshold struct {
	// name of the threshold, unique in the Budget.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name,omitempty"`
	// percent of the amount of the Budget, from 1 to 1000.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	Percent int32 `json:"percent,omitempty"`
	// amount in the currency of the Budget, more than nothing, in place of a percentage.
	// +optional
	Amount Amount `json:"amount,omitempty"`
	// basis says what is compared: Actual, which is what is spent, or Forecast. Default: Actual.
	// +optional
	// +kubebuilder:default=Actual
	Basis ThresholdBasis `json:"basis,omitempty"`
}

// BudgetScope selects what of a team's cost counts. All that is set must hold. A Budget is never about more than the team of
// its namespace.
type BudgetScope struct {
	// environments whose cost counts, by name. Default: all, and what the team pays for outside of any.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	Environments []string `json:"environments,omitempty"`
	// components whose cost counts, by name. Default: all, and what is no Component's.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=128
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	Components []string `json:"components,omitempty"`
	// componentSelector selects Components by their labels, as they are now, in place of or in addition to components. It must not
	// be empty. What a Component cost before it had the label counts too, and what a deleted one cost does not.
	// +optional
	ComponentSelector *metav1.LabelSelector `json:"componentSelector,omitempty"`
	// services whose cost counts, as the bill names them, such as Amazon Relational Database Service. Such a Budget alerts alone: nobody
	// knows which service a change will be billed under. Default: all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	Services []string `json:"services,omitempty"`
}

// BudgetSpec is a limit on what a team spends, and who is told.
// +kubebuilder:validation:XValidation:rule="!self.amount.startsWith('-') && self.amount.matches('[1-9]')",fieldPath=".amount",message="amount must be more than nothing"
// +kubebuilder:validation:XValidation:rule="!has(self.scope) || !has(self.scope.services) || !has(self.enforcement) || self.enforcement == 'Alert'",fieldPath=".enforcement",message="enforcement must be Alert where scope.services is set: nobody knows which service a change will be billed under"
// +kubebuilder:validation:XValidation:rule="!has(self.thresholds) || self.thresholds.all(t, !has(t.amount) || (!t.amount.startsWith('-') && t.amount.matches('[1-9]')))",fieldPath=".thresholds",message="the amount of a threshold must be more than nothing"
type BudgetSpec struct {
	// amount that may be spent in each period, more than nothing, such as "5000".
	// +required
	Amount Amount `json:"amount,omitempty"`
	// currency of the amount: a code of ISO 4217, such as USD. Costs in another one are named in status and not counted: nothing is
	// converted.
	// +required
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=3
	// +kubebuilder:validation:Pattern=`^[A-Z]{3}$`
	Currency string `json:"currency,omitempty"`
	// period that the amount is for. Default: each calendar month.
	// +optional
	Period SpendingPeriod `json:"period,omitzero"`
	// scope selects what counts. Default: all that the team of the namespace pays for.
	// +optional
	Scope BudgetScope `json:"scope,omitzero"`
	// thresholds whose crossing is told, once in each period; one of Forecast may come again after the forecast fell. Default: 50, 80 and
	// 100 % of Actual, and 100 % of Forecast.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Thresholds []BudgetThreshold `json:"thresholds,omitempty"`
	// enforcement says what becomes of a change of the team that raises the forecast above the amount. It holds beside the limits of the
	// Team, and never loosens one of them. Default: Alert.
	// +optional
	// +kubebuilder:default=Alert
	Enforcement Enforcement `json:"enforcement,omitempty"`
	// alerts are where the crossing of thresholds and anomalies are told. Their Secrets are in the namespace of the Budget. Default: the
	// targets of the Team's spec.alerts; where it has none, only the status says it.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	Alerts []AlertTarget `json:"alerts,omitempty"`
}

// CostPoint is what a day or a week cost.
type CostPoint struct {
	// day in UTC, such as 2026-11-29; of a week, its first.
	// +required
	// +kubebuilder:validation:MinLength=10
	// +kubebuilder:validation:MaxLength=10
	Day string `json:"day,omitempty"`
	// amount that it cost.
	// +required
	Amount Amount `json:"amount,omitempty"`
	// state is Settled, or Provisional where a figure in it may still change.
	// +required
	State CostState `json:"state,omitempty"`
}

// CostState says whether a figure may still change.
// +kubebuilder:validation:Enum=Settled;Provisional
type CostState string

// The states.
const (
	// CostSettled is final.
	CostSettled CostState = "Settled"
	// CostProvisional may still change.
	CostProvisional CostState = "Provisional"
)

// CostShare is what a part of the whole cost.
type CostShare struct {
	// name of the environment, Component or service. What has none is (none), and all that are not among the 20 dearest are (others).
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Name string `json:"name,omitempty"`
	// amount in the period so far.
	// +required
	Amount Amount `json:"amount,omitempty"`
}

// CostChange is what Releases did to what a day costs.
type CostChange struct {
	// day that was the first at the new level.
	// +required
	// +kubebuilder:validation:MinLength=10
	// +kubebuilder:validation:MaxLength=10
	Day string `json:"day,omitempty"`
	// releases that may have done it, the likeliest first, as component in environment: release. Nobody can divide the amount between them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MaxLength=512
	Releases []string `json:"releases,omitempty"`
	// before is what a day cost before.
	// +required
	Before Amount `json:"before,omitempty"`
	// after is what a day cost since.
	// +required
	After Amount `json:"after,omitempty"`
	// amount is the difference a day; negative where it costs less.
	// +required
	Amount Amount `json:"amount,omitempty"`
}

// CostAnomaly is something out of the ordinary.
type CostAnomaly struct {
	// kind is Spike, Step or Drift.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=16
	Kind string `json:"kind,omitempty"`
	// from is its first day.
	// +required
	// +kubebuilder:validation:MinLength=10
	// +kubebuilder:validation:MaxLength=10
	From string `json:"from,omitempty"`
	// until is its last day.
	// +required
	// +kubebuilder:validation:MinLength=10
	// +kubebuilder:validation:MaxLength=10
	Until string `json:"until,omitempty"`
	// expected is what it would have cost: in all for a Spike, a day for a Step or Drift.
	// +required
	Expected Amount `json:"expected,omitempty"`
	// actual is what it cost.
	// +required
	Actual Amount `json:"actual,omitempty"`
	// cause is what is likely behind it. Empty where nothing is likely enough.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Cause string `json:"cause,omitempty"`
}

// BudgetStatus is how much of a Budget is spent, and whether it will hold.
type BudgetStatus struct {
	// observedGeneration is the generation that the status speaks of.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions are Ready, WithinBudget, ForecastWithinBudget, AlertsDelivered where there are targets, HistoryKept where the history is not,
	// and Stalled when somebody must act first.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// team whose cost counts.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Team string `json:"team,omitempty"`
	// period that the figures are of, such as 2026-11, 2026-Q4 or 2026.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Period string `json:"period,omitempty"`
	// source of the figures: Bills, Estimates where no bill is read, or Nothing.
	// +optional
	Source CostOrigin `json:"source,omitempty"`
	// spent in the period so far.
	// +optional
	Spent Amount `json:"spent,omitempty"`
	// spentPercent is how much of the amount that is, rounded down. Of more than 9999, that.
	// +optional
	// +kubebuilder:validation:Minimum=-9999
	// +kubebuilder:validation:Maximum=9999
	SpentPercent int32 `json:"spentPercent,omitempty"`
	// provisionalPercent is how much of what is spent may still change, rounded up.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	ProvisionalPercent int32 `json:"provisionalPercent,omitempty"`
	// forecast of the period. Absent before anything is known.
	// +optional
	Forecast *SpendingForecast `json:"forecast,omitempty"`
	// burnRate is what a day cost of late: the mean of the last seven settled days. Absent before there are seven.
	// +optional
	BurnRate Amount `json:"burnRate,omitempty"`
	// exhaustedOn is the day on which the amount is, or was, spent, as far as the forecast says. Absent where it lasts for the period.
	// +optional
	// +kubebuilder:validation:MaxLength=10
	ExhaustedOn string `json:"exhaustedOn,omitempty"`
	// daysUntilExhausted is in how many days that is, counted from the day of the figures; 0 for that day.
	// +optional
	// +kubebuilder:validation:Minimum=0
	DaysUntilExhausted *int32 `json:"daysUntilExhausted,omitempty"`
	// coveragePercent is how much of all cost of the installation in this period and currency, of any team, carries a team: what has none
	// may be this team's too. Rounded down. Absent where nothing is known.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	CoveragePercent *int32 `json:"coveragePercent,omitempty"`
	// otherCurrencies are costs of the period that do not count, since they are in another currency, such as "12.30 EUR".
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MaxLength=40
	OtherCurrencies []string `json:"otherCurrencies,omitempty"`
	// daily is what each day of the period cost; of a period of more than 35 days, the last 35 weeks of it.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=35
	Daily []CostPoint `json:"daily,omitempty"`
	// byEnvironment is what is spent by environment: the 20 dearest, and the others.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=21
	ByEnvironment []CostShare `json:"byEnvironment,omitempty"`
	// byComponent is what is spent by Component: the 20 dearest, and the others.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=21
	ByComponent []CostShare `json:"byComponent,omitempty"`
	// byService is what is spent by service as the bill names it: the 20 dearest, and the others.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=21
	ByService []CostShare `json:"byService,omitempty"`
	// costOfChange are the steps in the daily cost that Releases made, the newest first, of the last 90 days.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	CostOfChange []CostChange `json:"costOfChange,omitempty"`
	// anomalies of the last 35 days, the newest first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	Anomalies []CostAnomaly `json:"anomalies,omitempty"`
	// reservations for Releases that are being made, where the namespace has no Team that could hold them: the oldest Budget
	// does for all.
	// +optional
	// +listType=map
	// +listMapKey=namespace
	// +listMapKey=release
	// +kubebuilder:validation:MaxItems=64
	Reservations []SpendingReservation `json:"reservations,omitempty"`
	// alerts that were made, and what became of them.
	// +optional
	Alerts *AlertState `json:"alerts,omitempty"`
}

// Budget is a limit on what a team spends: how much of it is spent, whether it will hold, who is told, and what becomes of changes that
// would break it. It is always about the team of its namespace. A limit that the team must not be able to move stands in
// spec.spending of its Team.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=bgt,categories=towpath
// +kubebuilder:printcolumn:name="Spent",type=string,JSONPath=`.status.spent`
// +kubebuilder:printcolumn:name="Of",type=string,JSONPath=`.spec.amount`
// +kubebuilder:printcolumn:name="Currency",type=string,JSONPath=`.spec.currency`
// +kubebuilder:printcolumn:name="Used %",type=integer,JSONPath=`.status.spentPercent`
// +kubebuilder:printcolumn:name="Forecast",type=string,JSONPath=`.status.forecast.amount`
// +kubebuilder:printcolumn:name="Holds",type=string,JSONPath=`.status.conditions[?(@.type=="ForecastWithinBudget")].status`
// +kubebuilder:printcolumn:name="Period",type=string,JSONPath=`.status.period`
// +kubebuilder:printcolumn:name="Source",type=string,JSONPath=`.status.source`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`,priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:printcolumn:name="Enforcement",type=string,JSONPath=`.spec.enforcement`,priority=1
// +kubebuilder:printcolumn:name="Exhausted On",type=string,JSONPath=`.status.exhaustedOn`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')",message="metadata.name must be a DNS-1123 label of at most 63 characters"
type Budget struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard metadata of an object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// spec is the limit, and who is told.
	// +required
	Spec BudgetSpec `json:"spec,omitzero"`
	// status is written by the controller.
	// +optional
	Status BudgetStatus `json:"status,omitzero"`
}

// BudgetList is a list of Budgets.
//
// +kubebuilder:object:root=true
type BudgetList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Budget `json:"items"`
}
