package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AlertKey is what an alert is about: one comes once for each.
type AlertKey struct {
	// uid of the Budget; of a limit of a Team its UID, a slash and the name of the limit.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	UID string `json:"uid,omitempty"`
	// period of the limit, such as 2026-11; the day of an anomaly.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	Period string `json:"period,omitempty"`
	// threshold as it is shown, such as 80% of 1000 USD. Absent where nothing was compared: of alerts that were left out for want of
	// a target.
	// +optional
	// +kubebuilder:validation:MaxLength=160
	Threshold string `json:"threshold,omitempty"`
	// basis is what is compared: Actual, Forecast, Anomaly, or Omitted, which counts alerts that were left out.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=16
	Basis string `json:"basis,omitempty"`
}

// FiredAlert remembers an alert, so that it does not come again.
type FiredAlert struct {
	AlertKey `json:",inline"`
	// sequence counts the times that it fired.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Sequence int64 `json:"sequence,omitempty"`
	// at is when it last fired.
	// +required
	At *metav1.Time `json:"at,omitempty"`
	// until is the end of the period.
	// +optional
	Until *metav1.Time `json:"until,omitempty"`
	// over is True where it was not taken back.
	// +optional
	// +kubebuilder:validation:Enum=True;False
	Over string `json:"over,omitempty"`
	// severity that it was sent with.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	Severity string `json:"severity,omitempty"`
	// labels that it was sent with: by these a receiver knows which alert ends.
	// +optional
	// +kubebuilder:validation:MaxProperties=8
	Labels map[string]string `json:"labels,omitempty"`
}

// Alert is what is sent.
type Alert struct {
	AlertKey `json:",inline"`
	// sequence counts the times that it fired.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Sequence int64 `json:"sequence,omitempty"`
	// status is Firing or Resolved.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=16
	Status string `json:"status,omitempty"`
	// severity is Info, Warning or Critical.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	Severity string `json:"severity,omitempty"`
	// team that spends.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Team string `json:"team,omitempty"`
	// title says in a line what happened.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Title string `json:"title,omitempty"`
	// text says more.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Text string `json:"text,omitempty"`
	// spent in the period.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Spent string `json:"spent,omitempty"`
	// forecast of the period.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Forecast string `json:"forecast,omitempty"`
	// limit that the threshold is of.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Limit string `json:"limit,omitempty"`
	// currency of the amounts.
	// +optional
	// +kubebuilder:validation:MaxLength=3
	Currency string `json:"currency,omitempty"`
	// labels by which a receiver may route.
	// +optional
	// +kubebuilder:validation:MaxProperties=8
	Labels map[string]string `json:"labels,omitempty"`
	// startsAt is when it fired.
	// +required
	StartsAt *metav1.Time `json:"startsAt,omitempty"`
	// endsAt is when it ends by itself, or ended.
	// +optional
	EndsAt *metav1.Time `json:"endsAt,omitempty"`
}

// AlertDelivery is what became of an alert at a target.
type AlertDelivery struct {
	// target by its name.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=80
	Target string `json:"target,omitempty"`
	// progress is Pending, Delivered, or Refused where the target will not have it as it is.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=16
	Progress string `json:"progress,omitempty"`
	// attempts so far.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Attempts int64 `json:"attempts,omitempty"`
	// lastError says why the last attempt failed. It holds no secret.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	LastError string `json:"lastError,omitempty"`
	// revision of the target at the last attempt.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Revision string `json:"revision,omitempty"`
	// nextAttempt is when it is tried again.
	// +optional
	NextAttempt *metav1.Time `json:"nextAttempt,omitempty"`
	// deliveredAt is when the target took it.
	// +optional
	DeliveredAt *metav1.Time `json:"deliveredAt,omitempty"`
}

// QueuedAlert is an alert on its way.
type QueuedAlert struct {
	// alert that is sent.
	// +required
	Alert Alert `json:"alert,omitzero"`
	// createdAt is when it was made.
	// +required
	CreatedAt *metav1.Time `json:"createdAt,omitempty"`
	// deliveries are one for each target; none where there was no target yet.
	// +optional
	// +listType=map
	// +listMapKey=target
	// +kubebuilder:validation:MaxItems=32
	Deliveries []AlertDelivery `json:"deliveries,omitempty"`
}

// AlertState is which alerts were made, and what became of them. It is written before the first attempt to send, and after each, so
// that a restart loses none.
type AlertState struct {
	// fired alerts of this period and of those that may still change.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=256
	Fired []FiredAlert `json:"fired,omitempty"`
	// outbox holds the alerts that wait for a target, and the last ones that were delivered.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Outbox []QueuedAlert `json:"outbox,omitempty"`
}
