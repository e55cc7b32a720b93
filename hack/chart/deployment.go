package main

import (
	"errors"
	"strings"

	"sigs.k8s.io/yaml"
)

// pod is where the pod's specification is.
var pod = []string{"spec", "template", "spec"}

// places of the manager's Deployment.
var places = []place{
	{path: []string{"spec", "replicas"}, value: ".Values.replicas", form: number},
	{path: []string{"spec", "template", "metadata", "annotations"}, form: block,
		value: `merge (dict "kubectl.kubernetes.io/default-container" "manager") (.Values.podAnnotations | default dict)`},
	{path: append(pod, "imagePullSecrets"), value: ".Values.imagePullSecrets", form: block, optional: true},
	{path: append(pod, "priorityClassName"), value: ".Values.priorityClassName", optional: true},
	{path: append(pod, "nodeSelector"), value: ".Values.nodeSelector", form: block, optional: true},
	{path: append(pod, "tolerations"), value: ".Values.tolerations", form: block, optional: true},
	{path: append(pod, "topologySpreadConstraints"), value: ".Values.topologySpreadConstraints", form: block, optional: true},
	{path: append(pod, "securityContext"), value: ".Values.podSecurityContext", form: block},
	{path: append(pod, "affinity"), value: ".Values.affinity", form: block, optional: true},
	{path: append(pod, "containers", "image"), value: `include "towpath.image" .`},
	{path: append(pod, "containers", "imagePullPolicy"), value: ".Values.image.pullPolicy", optional: true},
	{path: append(pod, "containers", "resources"), value: ".Values.resources", form: block, optional: true},
	{path: append(pod, "volumes", "configMap", "name"), value: `include "towpath.configurationName" .`},
	{path: append(pod, "containers", "volumeMounts"), value: ".Values.volumeMounts", form: members},
	{path: append(pod, "volumes"), value: ".Values.volumes", form: members},
}

// own are the parts of the manager's configuration that belong to the Deployment, with its ports and folders.
var own = []string{"apiVersion", "kind", "health", "metrics", "webhook"}

// configuration is the template of the manager's configuration: what belongs to the Deployment is as it is, everything else
// is a value.
func configuration(object map[string]any) (string, error) {
	metadata, _ := object["metadata"].(map[string]any)
	data, _ := object["data"].(map[string]any)
	content, _ := data["manager.yaml"].(string)
	var all map[string]any
	if err := yaml.Unmarshal([]byte(content), &all); err != nil || len(all) == 0 {
		return "", errors.Join(errors.New("it is not the manager's configuration"), err)
	}
	fixed := map[string]any{}
	for _, key := range own {
		fixed[key] = all[key]
	}
	parts, err := yaml.Marshal(fixed)
	if err != nil {
		return "", err
	}
	metadata["name"] = "towpath-configuration-name"
	delete(object, "data")
	head, err := yaml.Marshal(object)
	if err != nil {
		return "", err
	}
	named := strings.Replace(string(head), "towpath-configuration-name", `{{ include "towpath.configurationName" . }}`, 1)
	body := "    " + strings.ReplaceAll(strings.TrimSpace(literal(string(parts))), "\n", "\n    ")
	return named + "data:\n  manager.yaml: |\n" + body + "\n{{- with .Values.configuration }}\n{{ toYaml . | indent 4 }}\n{{- end }}\n", nil
}
