package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PeriodType says which days a limit is for. Days are those of UTC, as in bills.
// +kubebuilder:validation:Enum=Monthly;Quarterly;Yearly;Custom
type PeriodType string

// The types.
const (
	// PeriodMonthly is each calendar month.
	PeriodMonthly PeriodType = "Monthly"
	// PeriodQuarterly is each calendar quarter.
	PeriodQuarterly PeriodType = "Quarterly"
	// PeriodYearly is each calendar year.
	PeriodYearly PeriodType = "Yearly"
	// PeriodCustom is once, from a day until another.
	PeriodCustom PeriodType = "Custom"
)

// SpendingPeriod is the days that a limit is for, in UTC.
// +kubebuilder:validation:XValidation:rule="(self.type == 'Custom') == has(self.from)",message="from and until must be set where type is Custom, and nowhere else"
// +kubebuilder:validation:XValidation:rule="has(self.from) == has(self.until)",message="from and until must be set together"
// +kubebuilder:validation:XValidation:rule="!has(self.from) || !has(self.until) || self.from <= self.until",message="until must not be before from"
type SpendingPeriod struct {
	// type of the period. Monthly, Quarterly and Yearly are calendar periods, and each begins at nothing; Custom is once, from
	// and until a day. Default: Monthly.
	// +optional
	// +kubebuilder:default=Monthly
	Type PeriodType `json:"type,omitempty"`
	// from is the first day of a Custom period, such as 2026-11-16.
	// +optional
	// +kubebuilder:validation:MinLength=10
	// +kubebuilder:validation:MaxLength=10
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$`
	From string `json:"from,omitempty"`
	// until is the last day of a Custom period, such as 2027-01-15. The period has at most 366 days, since the history has 400.
	// +optional
	// +kubebuilder:validation:MinLength=10
	// +kubebuilder:validation:MaxLength=10
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$`
	Until string `json:"until,omitempty"`
}

// Enforcement says what a limit does about a change that raises the forecast above it. What lowers cost, and what brings back what
// ran before, passes always.
// +kubebuilder:validation:Enum=Alert;RequireApproval;Deny
type Enforcement string

// The enforcements, from the mildest.
const (
	// EnforceAlert tells, and holds nothing up.
	EnforceAlert Enforcement = "Alert"
	// EnforceApproval has the change wait until somebody approves it.
	EnforceApproval Enforcement = "RequireApproval"
	// EnforceDeny keeps the change out.
	EnforceDeny Enforcement = "Deny"
)

// SpendingLimit is a limit of the platform on what a team spends.
// +kubebuilder:validation:XValidation:rule="!self.amount.startsWith('-') && self.amount.matches('[1-9]')",fieldPath=".amount",message="amount must be more than nothing"
type SpendingLimit struct {
	// name of the limit, unique in the Team.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name,omitempty"`
	// amount that may be spent in each period, more than nothing.
	// +required
	Amount Amount `json:"amount,omitempty"`
	// currency of the amount: a code of ISO 4217. Costs in another one are named and not counted: nothing is converted.
	// +required
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=3
	// +kubebuilder:validation:Pattern=`^[A-Z]{3}$`
	Currency string `json:"currency,omitempty"`
	// period that the amount is for. Default: each calendar month.
	// +optional
	Period SpendingPeriod `json:"period,omitzero"`
	// environments whose cost counts, by name. Default: all, and what the team pays for outside of any.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	Environments []string `json:"environments,omitempty"`
	// tiers whose environments count, as they are now. Together with environments, an environment must be in both. Default: all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	Tiers []Tier `json:"tiers,omitempty"`
	// enforcement says what becomes of a change that raises the forecast above the amount. Default: Deny.
	// +optional
	// +kubebuilder:default=Deny
	Enforcement Enforcement `json:"enforcement,omitempty"`
}

// TeamSpending is what the platform allows a team to spend. A Budget of the team can only be stricter.
type TeamSpending struct {
	// limits on what the team spends. A change that several of them are about must stay within all. Default: none.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Limits []SpendingLimit `json:"limits,omitempty"`
	// alerts are where the platform is told of the limits: at 80 % and 100 % of what is spent, and at 100 % of the forecast. Their Secrets
	// are in the namespace towpath-system, out of the team's reach. The targets of spec.alerts are told the same. Default: none.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=4
	Alerts []AlertTarget `json:"alerts,omitempty"`
}

// AlertTargetType is the form in which a target takes alerts.
// +kubebuilder:validation:Enum=Slack;Alertmanager;Webhook
type AlertTargetType string

// The types.
const (
	// AlertTargetSlack is an incoming webhook of Slack, or of what takes its messages.
	AlertTargetSlack AlertTargetType = "Slack"
	// AlertTargetAlertmanager is one by its API v2.
	AlertTargetAlertmanager AlertTargetType = "Alertmanager"
	// AlertTargetWebhook takes signed CloudEvents.
	AlertTargetWebhook AlertTargetType = "Webhook"
)

// CostOrigin says what figures are from.
// +kubebuilder:validation:Enum=Bills;Estimates;Nothing
type CostOrigin string

// The origins.
const (
	// CostFromBills means that daily figures are from bills, which a CostSource reads.
	CostFromBills CostOrigin = "Bills"
	// CostFromEstimates means that there is no bill, so that they are what Releases were estimated to cost while they ran.
	CostFromEstimates CostOrigin = "Estimates"
	// CostFromNothing means that nothing is known of any day: only what runs now is counted, from now on.
	CostFromNothing CostOrigin = "Nothing"
)

// ForecastBasis says what a forecast rests on.
// +kubebuilder:validation:Enum=Backtest;Few;Estimates;Over
type ForecastBasis string

// The bases.
const (
	// ForecastFromBacktest is by the model that was least wrong about days that have come since; it has an interval.
	ForecastFromBacktest ForecastBasis = "Backtest"
	// ForecastFromFew is by too few days to try models on; it has no interval.
	ForecastFromFew ForecastBasis = "Few"
	// ForecastFromEstimates is by what runs now alone, since no day is settled.
	ForecastFromEstimates ForecastBasis = "Estimates"
	// ForecastOver means that no day of the period is left.
	ForecastOver ForecastBasis = "Over"
)

// SpendingForecast is what a period will have cost at its end.
type SpendingForecast struct {
	// amount that is expected: what is spent, what the days that are left are expected to cost, and what Releases add that these
	// days do not show yet.
	// +required
	Amount Amount `json:"amount,omitempty"`
	// low and high are where eight of ten such forecasts lay. Absent where there are too few days to say.
	// +optional
	Low Amount `json:"low,omitempty"`
	// high is the upper end of the interval.
	// +optional
	High Amount `json:"high,omitempty"`
	// added is the part of amount by which Releases raise it that the settled days do not show yet. Negative where they lower it.
	// +optional
	Added Amount `json:"added,omitempty"`
	// reserved is the part of amount that is reserved for Releases which are just being made.
	// +optional
	Reserved Amount `json:"reserved,omitempty"`
	// basis of the forecast.
	// +required
	Basis ForecastBasis `json:"basis,omitempty"`
	// note says in a sentence what the figure rests on, and what is missing.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Note string `json:"note,omitempty"`
}

// SpendingReservation keeps room for a Release that was admitted and is being made, so that another one does not take it at the same
// moment.
type SpendingReservation struct {
	// namespace of the Release.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`
	// release that is being made.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Release string `json:"release,omitempty"`
	// component of the Release.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Component string `json:"component,omitempty"`
	// environment of the Release.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Environment string `json:"environment,omitempty"`
	// tier of the environment.
	// +optional
	Tier Tier `json:"tier,omitempty"`
	// monthly is what it adds a month.
	// +required
	Monthly Amount `json:"monthly,omitempty"`
	// currency of the amount.
	// +required
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=3
	Currency string `json:"currency,omitempty"`
	// at is when it was made. It is dropped once the Release is there and its gate open, and after ten minutes without.
	// +required
	At *metav1.Time `json:"at,omitempty"`
}

// SpendingLimitStatus is how the team stands to one limit.
type SpendingLimitStatus struct {
	// name of the limit.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`
	// message says why the limit cannot be reckoned now: its other fields are as they were when it last could. Empty where they are of now.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
	// amount that may be spent.
	// +required
	Amount Amount `json:"amount,omitempty"`
	// currency of all amounts.
	// +required
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=3
	Currency string `json:"currency,omitempty"`
	// period that the figures are of, such as 2026-11.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	Period string `json:"period,omitempty"`
	// source of the figures.
	// +required
	Source CostOrigin `json:"source,omitempty"`
	// spent in the period so far.
	// +optional
	Spent Amount `json:"spent,omitempty"`
	// forecast of the period. Absent before anything is known.
	// +optional
	Forecast *SpendingForecast `json:"forecast,omitempty"`
}

// TeamSpendingStatus is how a team stands to the limits of the platform.
type TeamSpendingStatus struct {
	// limits with their figures.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Limits []SpendingLimitStatus `json:"limits,omitempty"`
	// reservations for Releases that are being made.
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
