package v1alpha1

// BreakGlassPolicy says whether somebody may let a Release in during a freeze.
// +kubebuilder:validation:Enum=Allowed;Forbidden
type BreakGlassPolicy string

// Whether the glass may be broken.
const (
	// BreakGlassAllowed: whoever has the verb breakglass on releases may.
	BreakGlassAllowed BreakGlassPolicy = "Allowed"
	// BreakGlassForbidden: nobody may.
	BreakGlassForbidden BreakGlassPolicy = "Forbidden"
)

// FreezeWindow is a time in which nothing new enters the environments of a class: no version, no later revision of a
// template, and nothing that what is used gives anew. Rollbacks do, and what runs is kept as it is. It comes again by
// schedule and durationSeconds, or is once from and until. Its times are those of clocks on the wall in timeZone: when
// these are put forward or back, the window begins and ends by them.
// +kubebuilder:validation:XValidation:rule="has(self.schedule) != has(self.from)",message="a window must have either schedule or from"
// +kubebuilder:validation:XValidation:rule="has(self.schedule) == has(self.durationSeconds)",message="schedule and durationSeconds must be set together"
// +kubebuilder:validation:XValidation:rule="has(self.from) == has(self.until)",message="from and until must be set together"
// +kubebuilder:validation:XValidation:rule="!has(self.from) || !has(self.until) || self.from < self.until",message="until must be after from"
type FreezeWindow struct {
	// name of the window, for messages.
	// +required
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`
	// reason of the window, for those who wait.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Reason string `json:"reason,omitempty"`
	// timeZone of the window's times, as IANA names it, such as Europe/Berlin. Default: UTC.
	// +optional
	// +kubebuilder:default=UTC
	// +kubebuilder:validation:MaxLength=64
	TimeZone string `json:"timeZone,omitempty"`
	// schedule is when the window begins, again and again: minute, hour, day of month, month and day of week, as in cron.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Schedule string `json:"schedule,omitempty"`
	// durationSeconds is how long a window of the schedule lasts.
	// +optional
	// +kubebuilder:validation:Minimum=60
	// +kubebuilder:validation:Maximum=2678400
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
	// breakGlass says whether an Approval with the decision BreakGlass lets its Release in all the same, which needs
	// the verb breakglass on releases and stands in the Release. Default: Allowed.
	// +optional
	BreakGlass BreakGlassPolicy `json:"breakGlass,omitempty"`
}
