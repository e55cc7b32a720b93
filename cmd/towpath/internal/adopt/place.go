package adopt

import (
	"maps"
	"reflect"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/render"
)

// asFound gives rendered objects the names and the selector under which they were found, as the manager does when
// it renders a Release that adopts.
func asFound(objects []render.Object, adoption *platformv1alpha1.Adoption) {
	names := map[string]string{} // kind and rendered name: found name
	adopted := map[string]string{}
	for _, o := range adoption.Objects {
		adopted[o.Resource] = o.Name
	}
	for i := range objects {
		o := objects[i].Object
		if name, ok := adopted[objects[i].Resource]; ok {
			names[o.GetKind()+" "+o.GetName()] = name
			o.SetName(name)
		}
	}
	for i := range objects {
		refer(objects[i].Object.Object, names)
	}
	if len(adoption.PodSelector) == 0 {
		return
	}
	found := map[string]any{}
	for key, value := range adoption.PodSelector {
		found[key] = value
	}
	var own map[string]any
	for i := range objects {
		spec, _ := objects[i].Object.Object["spec"].(map[string]any)
		pods, isWorkload := spec["template"].(map[string]any)
		selector, ok := spec["selector"].(map[string]any)
		if _, taken := adopted[objects[i].Resource]; !taken || !ok || !isWorkload {
			continue
		}
		own, _ = selector["matchLabels"].(map[string]any)
		spec["selector"] = map[string]any{"matchLabels": maps.Clone(found)}
		if metadata, ok := pods["metadata"].(map[string]any); ok {
			if labels, ok := metadata["labels"].(map[string]any); ok {
				maps.Copy(labels, found)
			}
		}
	}
	for i := range objects {
		spec, _ := objects[i].Object.Object["spec"].(map[string]any)
		switch objects[i].Object.GetKind() {
		case "Service":
			if reflect.DeepEqual(spec["selector"], any(own)) {
				spec["selector"] = maps.Clone(found)
			}
		case "PodDisruptionBudget":
			if reflect.DeepEqual(spec["selector"], any(map[string]any{"matchLabels": own})) {
				spec["selector"] = map[string]any{"matchLabels": maps.Clone(found)}
			}
		}
	}
}

// references are the fields by which objects name each other, with the kind that they name.
var references = map[string]string{"serviceAccountName": "ServiceAccount", "serviceName": "Service", "claimName": "PersistentVolumeClaim"}

// refer lets the references in a value follow the names.
func refer(value any, names map[string]string) {
	switch v := value.(type) {
	case map[string]any:
		for key, member := range v {
			if kind, ok := references[key]; ok {
				follow(v, key, kind, names)
			}
			target, _ := member.(map[string]any)
			switch key {
			case "scaleTargetRef":
				kind, _ := target["kind"].(string)
				follow(target, "name", kind, names)
			case "service":
				follow(target, "name", "Service", names)
			case "configMap", "configMapRef", "configMapKeyRef":
				follow(target, "name", "ConfigMap", names)
			case "backendRefs":
				list, _ := member.([]any)
				for _, backend := range list {
					if b, ok := backend.(map[string]any); ok {
						follow(b, "name", "Service", names)
					}
				}
			}
			refer(member, names)
		}
	case []any:
		for _, item := range v {
			refer(item, names)
		}
	}
}

func follow(reference map[string]any, field, kind string, names map[string]string) {
	name, _ := reference[field].(string)
	if found, ok := names[kind+" "+name]; ok {
		reference[field] = found
	}
}
