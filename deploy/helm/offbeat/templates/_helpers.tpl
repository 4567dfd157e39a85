{{- define "offbeat.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" (.Release.Name | trunc (int (sub 51 (len $name))) | trimSuffix "-") $name -}}
{{- end -}}
{{- end -}}

{{- define "offbeat.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "offbeat.labels" -}}
{{ include "offbeat.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "offbeat.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- /* A setting's variable: of a group the group's name comes before, without its plural. */ -}}
{{- define "offbeat.settings" -}}
{{- range $key, $value := .Values.settings }}
{{- if kindIs "map" $value }}
{{- range $inner, $told := $value }}
- {name: {{ printf "OFFBEAT_%s_%s" (trimSuffix "s" $key | upper) (upper $inner) }}, value: {{ toString $told | quote }}}
{{- end }}
{{- else }}
- {name: {{ printf "OFFBEAT_%s" (upper $key) }}, value: {{ toString $value | quote }}}
{{- end }}
{{- end }}
{{- with .Values.secrets.security }}
{{- if .name }}
{{- range $variable, $file := dict "PASSWORD_FILE" .passwordKey "TOKEN_FILE" .tokenKey "CA" .caKey "CERTIFICATE" .certificateKey "KEY" .keyKey }}
{{- if $file }}
- {name: {{ printf "OFFBEAT_SECURITY_%s" $variable }}, value: {{ printf "/run/secrets/offbeat/%s" $file | quote }}}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "offbeat.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "offbeat.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "offbeat.secretMount" -}}
{{- if .Values.secrets.security.name }}
- {name: secrets, mountPath: /run/secrets/offbeat, readOnly: true}
{{- end }}
{{- end -}}

{{- define "offbeat.secretVolume" -}}
{{- with .Values.secrets.security.name }}
- name: secrets
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- end -}}
