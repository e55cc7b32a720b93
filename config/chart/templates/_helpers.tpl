{{/* The manager's image. */}}
{{- define "towpath.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* The name of the manager's configuration. It changes with the content, so that a change rolls the pods. */}}
{{- define "towpath.configurationName" -}}
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
