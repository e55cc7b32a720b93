package readiness

// condition is one entry of status.conditions.
type condition struct {
	status, reason, message string
	observedGeneration      int64
	observed                bool
}

// stale tells that the condition speaks of an older spec.
func (c condition) stale(generation int64) bool {
	return c.observed && c.observedGeneration < generation
}

// findCondition returns a condition of the object; a zero one where it has none.
func findCondition(object map[string]any, kind string) (condition, bool) {
	return conditionIn(field(object, "status", "conditions"), kind)
}

func conditionIn(list any, kind string) (condition, bool) {
	items, _ := list.([]any)
	for _, item := range items {
		entry, _ := item.(map[string]any)
		if entry["type"] != kind {
			continue
		}
		observedGeneration, observed := number(entry, "observedGeneration")
		return condition{
			status: text(entry, "status"), reason: text(entry, "reason"), message: text(entry, "message"),
			observedGeneration: observedGeneration, observed: observed,
		}, true
	}
	return condition{}, false
}

// field returns a value without a copy; nil where the path does not exist.
func field(object map[string]any, path ...string) any {
	var value any = object
	for _, name := range path {
		next, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = next[name]
	}
	return value
}

func text(object map[string]any, path ...string) string {
	value, _ := field(object, path...).(string)
	return value
}

// number reads an integer, also one that a plain JSON decoder made a float.
func number(object map[string]any, path ...string) (int64, bool) {
	switch value := field(object, path...).(type) {
	case int64:
		return value, true
	case int:
		return int64(value), true
	case float64:
		return int64(value), true
	}
	return 0, false
}

// count is number with zero for what is absent.
func count(object map[string]any, path ...string) int64 {
	value, _ := number(object, path...)
	return value
}
