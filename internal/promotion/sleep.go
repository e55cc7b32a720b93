package promotion

import (
	"fmt"
	"time"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// Sleep is that of an environment.
type Sleep struct {
	// Namespace is the home of the Environment.
	Namespace string
	// Until is when it wakes; zero where that is not known.
	Until time.Time
}

// Wake says until when an environment sleeps, and how to wake it.
func (s *Sleep) Wake(environment string) string {
	until := ""
	if !s.Until.IsZero() {
		until = " until " + s.Until.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("%s sleeps%s; wake it with: towpath env wake -n %s %s.", environment, until, s.Namespace, environment)
}

// asleep says that a version waits for an environment to wake: what sleeps does not show whether it works.
func (s *Step) asleep(next *Step) *Wait {
	current := s.current()
	if s.Sleep == nil || current == nil || !current.Asleep || current.Ready || current.Version != s.Version {
		return nil
	}
	return &Wait{Reason: platformv1alpha1.ReasonAsleep, Message: fmt.Sprintf(
		"The version enters %s once it is Ready in %s, which it was not when that fell asleep, or came since: %s", next.Name, s.Name, s.Sleep.Wake(s.Name))}
}

// soakAsleep says what a soak lacks that stands still while the environment sleeps; nil where it lacks nothing.
func (s *Step) soakAsleep(need time.Duration) *Wait {
	current := s.current()
	if current.Soaked >= need {
		return nil
	}
	message := fmt.Sprintf("The version must have been Ready in %s for %s, and was so for %s before it fell asleep", s.Name, need, current.Soaked)
	if s.Sleep == nil {
		return &Wait{Reason: platformv1alpha1.ReasonSoaking, Message: message + "."}
	}
	return &Wait{Reason: platformv1alpha1.ReasonSoaking, Message: message + ": " + s.Sleep.Wake(s.Name)}
}
