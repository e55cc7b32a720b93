package scaffold

import (
	"bytes"
	"encoding/json"
	"slices"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// Running is what a golden path does with the image of a Component.
type Running string

// What golden paths run.
const (
	// RunsService: a process that stays.
	RunsService Running = "Service"
	// RunsJob: a process that ends when its work is done.
	RunsJob Running = "Job"
	// RunsSoftware: something that others wrote, such as a database. There is no code to write.
	RunsSoftware Running = "Software"
)

// Runs says what a golden path runs. Whoever writes code reads settings from the environment, so a golden path that hands no
// variables of the Component over runs what is finished already.
func Runs(spec *platformv1alpha1.ServiceTemplateSpec) Running {
	var kinds []string
	own := false
	for i := range spec.Resources {
		raw := spec.Resources[i].Object.Raw
		own = own || bytes.Contains(raw, []byte("component.env"))
		var object struct {
			Kind string `json:"kind"`
		}
		if json.Unmarshal(raw, &object) == nil {
			kinds = append(kinds, object.Kind)
		}
	}
	stays := slices.ContainsFunc([]string{"Deployment", "StatefulSet", "DaemonSet"}, func(kind string) bool { return slices.Contains(kinds, kind) })
	switch {
	case !own:
		return RunsSoftware
	case !stays && (slices.Contains(kinds, "CronJob") || slices.Contains(kinds, "Job")):
		return RunsJob
	}
	return RunsService
}
