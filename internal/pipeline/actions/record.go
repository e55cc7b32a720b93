package actions

import (
	"encoding/json"
	"strings"
)

// recordScript tells the cluster what became of the commit. The token is kept from the command line, and from everything that runs
// before it: no other job has it.
const recordScript = `umask 077
mkdir "$RUNNER_TEMP/towpath"
if [[ -n ${TOWPATH_AUDIENCE:-} ]]; then
  printf 'header = "Authorization: bearer %s"\n' "$ACTIONS_ID_TOKEN_REQUEST_TOKEN" |
    curl --fail --silent --show-error --retry 3 --config - --get --data-urlencode "audience=$TOWPATH_AUDIENCE" "$ACTIONS_ID_TOKEN_REQUEST_URL" |
    jq --join-output --exit-status .value >"$RUNNER_TEMP/towpath/token"
else
  printf '%s' "$TOWPATH_TOKEN" >"$RUNNER_TEMP/towpath/token"
fi
printf '%s' "$TOWPATH_KUBECONFIG" >"$RUNNER_TEMP/towpath/config"
arguments=(build record "$TOWPATH_COMPONENT" "--namespace=$TOWPATH_NAMESPACE"
  "--commit=$TOWPATH_COMMIT" "--branch=$TOWPATH_BRANCH" "--tag=$TOWPATH_TAG" "--result=$TOWPATH_RESULT" "--url=$TOWPATH_RUN_URL"
  "--committed-at=$(git log -1 --format=%cI "$TOWPATH_COMMIT" --)"
  "--author=$(git log -1 --format='%an <%ae>' "$TOWPATH_COMMIT" --)"
  "--message=$(git log -1 --format=%s "$TOWPATH_COMMIT" --)"
  --repository=/repository --github)
if [[ $TOWPATH_RESULT == Succeeded ]]; then
  arguments+=("--image=${TOWPATH_BUILT_IMAGE:-$TOWPATH_IMAGE}")
  for kind in sbom signature scan provenance; do
    name="TOWPATH_EVIDENCE_${kind^^}"
    if [[ -n ${!name:-} ]]; then
      arguments+=("--$kind=${!name}")
    fi
  done
fi
docker run --rm --read-only --user "$(id -u):$(id -g)" --cap-drop ALL --security-opt no-new-privileges \
  --volume "$RUNNER_TEMP/towpath:/towpath:ro" --env KUBECONFIG=/towpath/config \
  --volume "$GITHUB_WORKSPACE/.git:/repository/.git:ro" \
  --env GITHUB_EVENT_NAME --env GITHUB_API_URL --env GITHUB_REPOSITORY --env GITHUB_TOKEN "$TOWPATH_CLI" "${arguments[@]}"
`

// kubeconfig says where the cluster is. It is JSON, which YAML holds, and the token stands in a file of its own.
type kubeconfig struct {
	APIVersion     string           `json:"apiVersion"`
	Kind           string           `json:"kind"`
	CurrentContext string           `json:"current-context"`
	Clusters       []map[string]any `json:"clusters"`
	Users          []map[string]any `json:"users"`
	Contexts       []map[string]any `json:"contexts"`
}

// recordJob records the Build, however it ended. Pull requests are not recorded: their commits are not what the branch runs, and those
// from forks must not reach the cluster.
func (g *generator) recordJob() (*job, error) {
	j := g.job("Record the Build", 10)
	j.Needs = []string{planJob}
	evidence := map[string][]string{} // outputs by the variable that tells of them, as pipeline.Reported has it
	for _, s := range g.stages {
		j.Needs = append(j.Needs, s.Stage)
		output := "needs." + s.Stage + ".outputs.image"
		if kind := s.Evidence(); kind != "" {
			name := "TOWPATH_EVIDENCE_" + strings.ToUpper(string(kind))
			evidence[name] = append([]string{output}, evidence[name]...)
		}
	}
	j.If = "always() && github.event_name == 'push'"
	if made := g.made(); made != "" {
		// Where the condition of the stage that builds the image left it out, there is nothing that could run.
		j.If += " && (" + made + " || contains(needs.*.result, 'failure') || contains(needs.*.result, 'cancelled'))"
	}
	j.If = "${{ " + j.If + " }}"
	// New commits are counted in all of the history, for which no file needs to be there.
	checkout, err := g.checkout("0")
	if err != nil {
		return nil, err
	}
	checkout.With["filter"] = "blob:none"
	config, err := g.Config.Record.kubeconfig()
	if err != nil {
		return nil, err
	}
	env := map[string]string{
		"TOWPATH_CLI": literal(g.Config.Image), "TOWPATH_KUBECONFIG": literal(config),
		"TOWPATH_NAMESPACE": g.Component.Namespace, "TOWPATH_COMPONENT": g.Component.Name, "TOWPATH_RUN_URL": runURL,
		"TOWPATH_RESULT":      "${{ contains(needs.*.result, 'failure') && 'Failed' || contains(needs.*.result, 'cancelled') && 'Cancelled' || 'Succeeded' }}",
		"TOWPATH_BUILT_IMAGE": "",
		// With it GitHub is asked for the pull request by which the commit came.
		"GITHUB_TOKEN": "${{ github.token }}",
	}
	j.Permissions["pull-requests"] = "read"
	if pushed := g.pushed(g.stages); pushed != "" {
		env["TOWPATH_BUILT_IMAGE"] = "${{ " + pushed + " }}"
	}
	for name, outputs := range evidence {
		env[name] = "${{ " + strings.Join(outputs, " || ") + " }}"
	}
	if secret := g.Config.Record.tokenSecret(); secret != "" {
		env["TOWPATH_TOKEN"] = "${{ secrets." + secret + " }}"
	} else {
		env["TOWPATH_AUDIENCE"] = literal(g.Config.Record.Audience)
		j.Permissions["id-token"] = "write"
	}
	j.Steps = []step{checkout, {Name: "Record the Build", Run: recordScript, Env: env}}
	return j, nil
}

func (r *Record) kubeconfig() (string, error) {
	const name = "towpath"
	server := map[string]any{"server": r.Server}
	if r.CertificateAuthority != "" {
		server["certificate-authority-data"] = []byte(r.CertificateAuthority)
	}
	text, err := json.Marshal(kubeconfig{
		APIVersion: "v1", Kind: "Config", CurrentContext: name,
		Clusters: []map[string]any{{"name": name, "cluster": server}},
		Users:    []map[string]any{{"name": name, "user": map[string]any{"tokenFile": "/towpath/token"}}},
		Contexts: []map[string]any{{"name": name, "context": map[string]any{"cluster": name, "user": name}}},
	})
	return string(text), err
}
