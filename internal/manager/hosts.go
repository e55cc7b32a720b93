package manager

import (
	"errors"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/towpath-dev/towpath/internal/outbound"
)

// maxAllowedHosts bounds each list of allowedHosts.
const maxAllowedHosts = 64

// hosts says which of the allowedHosts of a part of the configuration cannot be; rules reads them.
func hosts(part string, allowed []string, rules func(...string) (outbound.Rules, error)) field.ErrorList {
	at := field.NewPath(part, "allowedHosts")
	var errs field.ErrorList
	if len(allowed) > maxAllowedHosts {
		errs = append(errs, field.TooMany(at, len(allowed), maxAllowedHosts))
	}
	for i, entry := range allowed {
		if _, err := rules(entry); err != nil {
			// What it wraps does not begin with the entry, which Invalid says too.
			errs = append(errs, field.Invalid(at.Index(i), entry, errors.Unwrap(err).Error()))
		}
	}
	return errs
}
