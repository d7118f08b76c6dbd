{{- define "labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "image" -}}
{{ .Values.image.repository }}
{{- with .Values.image.digest }}@{{ . }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- /* The largest number of database connections. A rollout runs one pod more than
maxReplicas. The health check of each worker needs 1 connection, each mail worker 1, the
migration 2, and PostgreSQL and its administrators 8. */ -}}
{{- define "connections" -}}
{{- $pods := add 1 (int .Values.autoscaling.maxReplicas) -}}
{{- $overflow := .Values.settings.DB_MAX_OVERFLOW | default 0 | int -}}
{{- $each := mul (int .Values.web.workers) (add 1 (int .Values.web.poolSize) $overflow) -}}
{{ add (mul $pods $each) (int .Values.worker.replicas) 2 8 }}
{{- end }}

{{- define "pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
volumes:
  - name: tmp
    emptyDir: {}
  - name: shm
    emptyDir: {medium: Memory, sizeLimit: 64Mi}
{{- end }}

{{- define "container" -}}
image: {{ include "image" . }}
imagePullPolicy: IfNotPresent
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
envFrom:
  - secretRef: {name: {{ .Values.existingSecret }}}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  - {name: shm, mountPath: /dev/shm}
env:
  {{- /* Helm reads a number as a float, and toString would write it as 1e+06. */ -}}
  {{- range $name, $value := .Values.settings }}
  - {name: {{ $name }}, value: {{ kindIs "string" $value | ternary $value (toJson $value) | quote }}}
  {{- end }}
  - {name: WEB_CONCURRENCY, value: {{ .Values.web.workers | quote }}}
  - {name: DB_POOL_SIZE, value: {{ .Values.web.poolSize | quote }}}
  - {name: DRAIN_DELAY_SECONDS, value: {{ .Values.web.drainDelaySeconds | quote }}}
  - {name: GRACEFUL_TIMEOUT_SECONDS, value: {{ .Values.web.gracefulTimeoutSeconds | quote }}}
  - {name: RATE_LIMIT_EXPECTED_INSTANCES, value: {{ .Values.autoscaling.maxReplicas | quote }}}
{{- end }}

{{- define "health" -}}
{{ .Values.settings.API_V1_PREFIX | default "/api/v1" }}/health
{{- end }}

{{- define "spread" -}}
topologySpreadConstraints:
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "labels" $ | nindent 8 }}
        app.kubernetes.io/component: web
  {{- end }}
{{- end }}
