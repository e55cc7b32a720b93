package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AnnotationAwake stands on an object that sleeps, and says what it goes back to: the number of its pods, or of a CronJob
// whether it is suspended. Empty where that is not known.
const AnnotationAwake = LabelPrefix + "awake"

// OwnSleep says whether Environments may sleep more than their class has them sleep.
// +kubebuilder:validation:Enum=Allowed;Forbidden
type OwnSleep string

// The policies.
const (
	// OwnSleepAllowed: spec.sleep of an Environment counts.
	OwnSleepAllowed OwnSleep = "Allowed"
	// OwnSleepForbidden: it does not.
	OwnSleepForbidden OwnSleep = "Forbidden"
)

// SleepMode says when an Environment sleeps.
// +kubebuilder:validation:Enum=Scheduled;Always
type SleepMode string

// The modes.
const (
	// SleepScheduled: while a window is open.
	SleepScheduled SleepMode = "Scheduled"
	// SleepAlways: until that is changed, or for a time by spec.wakeUntil.
	SleepAlways SleepMode = "Always"
)

// SleepState is whether an Environment sleeps.
// +kubebuilder:validation:Enum=Asleep;Awake
type SleepState string

// The states.
const (
	StateAsleep SleepState = "Asleep"
	StateAwake  SleepState = "Awake"
)

// SleepWindow is a time in which an environment sleeps. It comes again by schedule and durationSeconds, or is once from
// and until. Its times are those of clocks on the wall in timeZone: when these are put forward or back, the window begins
// and ends by them.
// +kubebuilder:validation:XValidation:rule="has(self.schedule) != has(self.from)",message="a window must have either schedule or from"
// +kubebuilder:validation:XValidation:rule="has(self.schedule) == has(self.durationSeconds)",message="schedule and durationSeconds must be set together"
// +kubebuilder:validation:XValidation:rule="has(self.from) == has(self.until)",message="from and until must be set together"
// +kubebuilder:validation:XValidation:rule="!has(self.from) || !has(self.until) || self.from < self.until",message="until must be after from"
type SleepWindow struct {
	// name of the window, for messages.
	// +required
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`
	// timeZone of the window's times, as IANA names it, such as Europe/Berlin. Default: UTC.
	// +optional
	// +kubebuilder:default=UTC
	// +kubebuilder:validation:MaxLength=64
	TimeZone string `json:"timeZone,omitempty"`
	// schedule is when the window begins, again and again: minute, hour, day of month, month and day of week, as in cron.
	// It may come at most 100 times within a day and durationSeconds.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Schedule string `json:"schedule,omitempty"`
	// durationSeconds is how long a window of the schedule lasts, at most a week.
	// +optional
	// +kubebuilder:validation:Minimum=60
	// +kubebuilder:validation:Maximum=604800
	DurationSeconds int32 `json:"durationSeconds,omitempty"`
	// from is when a window begins that comes once, such as 2026-12-20T18:00.
	// +optional
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}$`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=16
	From string `json:"from,omitempty"`
	// until is when it ends, such as 2027-01-04T08:00.
	// +optional
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}$`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=16
	Until string `json:"until,omitempty"`
}

// ClassSleep says when environments of a class sleep: their Deployments and StatefulSets have no pods, and their CronJobs
// start nothing. Everything else stays as it is.
type ClassSleep struct {
	// windows in which all environments of the class sleep. One that cannot be read, never opens or never closes puts
	// nothing to sleep, and the class is not Ready. Default: none.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Windows []SleepWindow `json:"windows,omitempty"`
	// ownSleep says whether spec.sleep of an Environment counts, which adds to the windows of the class and never takes
	// away. Default: Forbidden in the tier Production, Allowed in the others.
	// +optional
	OwnSleep OwnSleep `json:"ownSleep,omitempty"`
	// maxWakeSeconds is for how long spec.wakeUntil of an Environment counts, from when it was written; whoever needs
	// longer writes it again. Default: 28800, which is eight hours.
	// +optional
	// +kubebuilder:default=28800
	// +kubebuilder:validation:Minimum=60
	// +kubebuilder:validation:Maximum=604800
	MaxWakeSeconds int32 `json:"maxWakeSeconds,omitempty"`
	// spreadSeconds spreads what many environments do at the same minute: each falls asleep up to as much later than its
	// window begins, and wakes as much earlier than it ends, by its UID, but by no more than a quarter of the window.
	// Default: 300.
	// +optional
	// +kubebuilder:default=300
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=3600
	SpreadSeconds *int32 `json:"spreadSeconds,omitempty"`
}

// EnvironmentSleep has one Environment sleep more than its class does.
type EnvironmentSleep struct {
	// mode says when the environment sleeps. Scheduled: in its own windows and those of the class. Always: until that is
	// changed, or for a time by spec.wakeUntil. Default: Scheduled.
	// +optional
	// +kubebuilder:default=Scheduled
	Mode SleepMode `json:"mode,omitempty"`
	// windows in which the environment sleeps, beside those of its class. One that cannot be read, never opens or never
	// closes does nothing, and the condition Asleep says so. Default: none.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=4
	Windows []SleepWindow `json:"windows,omitempty"`
}

// EnvironmentSleepStatus is whether an Environment sleeps, and what that saves.
type EnvironmentSleepStatus struct {
	// state is Asleep or Awake.
	// +required
	State SleepState `json:"state,omitempty"`
	// since is since when.
	// +required
	Since *metav1.Time `json:"since,omitempty"`
	// until is when that changes next by itself. Absent where it does not.
	// +optional
	Until *metav1.Time `json:"until,omitempty"`
	// window is what has the environment sleep now: the name of a window, or Always. Empty while it is awake.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Window string `json:"window,omitempty"`
	// woken is spec.wakeUntil as it was last seen.
	// +optional
	Woken *SleepWoken `json:"woken,omitempty"`
	// saving is what does not run now since the environment sleeps.
	// +optional
	Saving *SleepSaving `json:"saving,omitempty"`
	// saved is what did not run so far since the environment slept, up to when saving began.
	// +optional
	Saved *SleepSaved `json:"saved,omitempty"`
}

// SleepWoken is a wish to be awake.
type SleepWoken struct {
	// until is the value of spec.wakeUntil.
	// +required
	Until *metav1.Time `json:"until,omitempty"`
	// seenAt is when it was first seen: the class counts from then for how long it may be.
	// +required
	SeenAt *metav1.Time `json:"seenAt,omitempty"`
}

// SleepAmount is what pods do not use that do not run: their number, and what they request.
type SleepAmount struct {
	// pods is their number.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Pods int64 `json:"pods,omitempty"`
	// cpu that they request.
	// +optional
	CPU resource.Quantity `json:"cpu,omitzero"`
	// memory that they request.
	// +optional
	Memory resource.Quantity `json:"memory,omitzero"`
}

// SleepSaving is what does not run now.
type SleepSaving struct {
	SleepAmount `json:",inline"`
	// since is since when exactly that does not run.
	// +required
	Since *metav1.Time `json:"since,omitempty"`
}

// SleepSaved adds up what did not run, in hours, rounded down. Requests count, and not what pods would have used.
type SleepSaved struct {
	// podHours are pods times hours.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[0-9]+[.][0-9]{3}$`
	PodHours string `json:"podHours,omitempty"`
	// cpuHours are requested cores times hours.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[0-9]+[.][0-9]{3}$`
	CPUHours string `json:"cpuHours,omitempty"`
	// memoryGiBHours are requested GiB of memory times hours.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[0-9]+[.][0-9]{3}$`
	MemoryGiBHours string `json:"memoryGiBHours,omitempty"`
}

// ReleaseSleep is what the sleep of its environment did to a Release.
type ReleaseSleep struct {
	// since is since when the Release sleeps. Absent while it is awake.
	// +optional
	Since *metav1.Time `json:"since,omitempty"`
	// wokeAt is when it was last woken. Deadlines count from then. Absent while it sleeps.
	// +optional
	WokeAt *metav1.Time `json:"wokeAt,omitempty"`
	// soakedSeconds is for how long the Release had been Ready and awake without a break when it last fell asleep, at least
	// 1: a soak goes on from there. 0 says that it was not Ready then.
	// +optional
	// +kubebuilder:validation:Minimum=0
	SoakedSeconds int64 `json:"soakedSeconds,omitempty"`
	// saving is what does not run of the Release while it sleeps.
	// +optional
	Saving *SleepAmount `json:"saving,omitempty"`
}

// Asleep says that the Release was put to sleep with its environment, and was not woken since.
func (r *Release) Asleep() bool {
	return r.Status.Sleep != nil && r.Status.Sleep.Since != nil
}

// Asleep says that the Environment sleeps.
func (e *Environment) Asleep() bool {
	return e.Status.Sleep != nil && e.Status.Sleep.State == StateAsleep
}
