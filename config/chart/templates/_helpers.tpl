{{/* The manager's image. */}}
{{- define "towpath.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* Refuses what each value alone may be, and not together. */}}
{{- define "towpath.check" -}}
{{- $configuration := .Values.configuration | default dict -}}
{{- $election := $configuration.leaderElection | default dict -}}
{{- if and (gt (int .Values.replicas) 1) (eq (toString $election.enabled) "false") -}}
{{- fail "replicas must be 1 where configuration.leaderElection.enabled is false: several managers without a leader would undo each other's work" -}}
{{- end -}}
{{- $history := $configuration.history | default dict -}}
{{- if and $history.sqlite $history.postgresqlAddressFile -}}
{{- fail "configuration.history must have either sqlite or postgresqlAddressFile: to use the latter, set sqlite, which has a default, to null or to the empty text" -}}
{{- end -}}
{{- range .Values.volumeMounts -}}
{{- $mount := . -}}
{{- $named := false -}}
{{- range $.Values.volumes -}}
{{- if eq .name $mount.name -}}{{- $named = true -}}{{- end -}}
{{- end -}}
{{- if not $named -}}
{{- fail (printf "volumeMounts: %q must be the name of one of volumes" .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The name of the manager's configuration. It changes with the content, so that a change rolls the pods. */}}
{{- define "towpath.configurationName" -}}
{{- include "towpath.check" . -}}
towpath-manager-configuration-{{ printf "%s %s" .Chart.Version (toJson .Values.configuration) | sha256sum | trunc 10 }}
{{- end -}}

{{/* Not empty where a part of the monitoring is installed: where its value says true, or auto and the cluster has the kinds of
the Prometheus operator. */}}
{{- define "towpath.detected" -}}
{{- $root := index . 0 -}}
{{- $enabled := toString (index . 1) -}}
{{- if or (eq $enabled "true") (and (eq $enabled "auto") ($root.Capabilities.APIVersions.Has "monitoring.coreos.com/v1")) -}}
yes
{{- end -}}
{{- end -}}
