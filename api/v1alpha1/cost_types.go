package v1alpha1

// Amount is an amount of money as a decimal string, such as "212.4". It is never a float, so that sums are exact.
// +kubebuilder:validation:MinLength=1
// It has up to 20 digits before the point, which is more than sums of bills can have, and 12 after it.
// +kubebuilder:validation:MaxLength=34
// +kubebuilder:validation:Pattern=`^-?[0-9]{1,20}(\.[0-9]{1,12})?$`
type Amount string

// AmountRange is an amount that is not known exactly. The three differ where an autoscaler chooses, or a Job has a deadline.
type AmountRange struct {
	// min is the least.
	// +required
	Min Amount `json:"min,omitempty"`
	// expected is the likeliest: of an autoscaler it is 25 % of the way from its least to its most, unless the prices say
	// otherwise.
	// +required
	Expected Amount `json:"expected,omitempty"`
	// max is the most.
	// +required
	Max Amount `json:"max,omitempty"`
}

// PriceOrigin says where prices are from.
// +kubebuilder:validation:Enum=Configured;DefaultList
type PriceOrigin string

// The origins.
const (
	// PricesConfigured are those of the manager's configuration.
	PricesConfigured PriceOrigin = "Configured"
	// PricesOfDefaultList means that at least one of them is of OpenCost's published default list: an assumption.
	PricesOfDefaultList PriceOrigin = "DefaultList"
)

// EstimatedCost is what something is estimated to cost a month: what its objects request, times prices, with sleep taken off.
type EstimatedCost struct {
	// currency is a code of ISO 4217, that of the prices.
	// +required
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=3
	// +kubebuilder:validation:Pattern=`^[A-Z]{3}$`
	Currency string `json:"currency,omitempty"`
	// monthly is what 730 hours cost, to four decimal places.
	// +required
	Monthly AmountRange `json:"monthly,omitzero"`
	// pricesFrom says whether all prices are configured.
	// +required
	PricesFrom PriceOrigin `json:"pricesFrom,omitempty"`
}

// ReleaseCost is what a Release was estimated to cost when it was made, by the prices of then.
type ReleaseCost struct {
	EstimatedCost `json:",inline"`
	// assumptions are what was not known of its objects and counts in the figures, apart from prices. Of more than 8, the first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MaxLength=256
	Assumptions []string `json:"assumptions,omitempty"`
}

// CostSum is what the Releases that run are estimated to cost together.
type CostSum struct {
	EstimatedCost `json:",inline"`
	// releases is how many are counted.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Releases int32 `json:"releases,omitempty"`
	// unknown is how many Releases are not counted: they have no estimate, since they were made before Towpath made any, or one in
	// another currency. Amounts of different currencies are never added.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Unknown int32 `json:"unknown,omitempty"`
}
