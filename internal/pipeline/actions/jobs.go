package actions

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/pipeline"
)

// The texts that shells run. They are the same in every workflow: what differs comes by environment variables.
const (
	deadlineScript = `echo "deadline=$(($(date +%s) + TOWPATH_TIMEOUT))" >>"$GITHUB_OUTPUT"
`

	// The file is absent where it cannot be told what changed: conditions then hold it for unknown. So it is after a push: the event tells what
	// the branch was at before, and not whether that was ever tested. A file that was moved has changed in both places.
	changedScript = `if [[ $TOWPATH_BASE =~ ^[0-9a-f]{40,64}$ ]] && git cat-file -e "$TOWPATH_BASE^{commit}" 2>/dev/null; then
  git diff --name-only --no-renames -z "$TOWPATH_BASE...$TOWPATH_COMMIT" -- >"$RUNNER_TEMP/changed-paths" || rm -f "$RUNNER_TEMP/changed-paths"
fi
`

	conditionsScript = `arguments=(pipeline when --conditions /conditions.json)
volumes=(--volume "$GITHUB_WORKSPACE/$TOWPATH_CONDITIONS:/conditions.json:ro")
if [[ -f $RUNNER_TEMP/changed-paths ]]; then
  volumes+=(--volume "$RUNNER_TEMP/changed-paths:/changed-paths:ro")
  arguments+=(--changed-paths /changed-paths)
fi
docker run --rm --network none --read-only --user "$(id -u):$(id -g)" --cap-drop ALL --security-opt no-new-privileges \
  --env TOWPATH_BRANCH --env TOWPATH_TAG --env TOWPATH_PULL_REQUEST \
  "${volumes[@]}" "$TOWPATH_CLI" "${arguments[@]}" >>"$GITHUB_OUTPUT"
`

	unpackScript = `mkdir -p "./$TOWPATH_FOLDER"
for name in $TOWPATH_ARTIFACTS; do
  if [[ -f $RUNNER_TEMP/artifacts/$name.tar ]]; then
    tar -C "./$TOWPATH_FOLDER" -xf "$RUNNER_TEMP/artifacts/$name.tar"
  fi
done
`

	packScript = `cd "./$TOWPATH_FOLDER"
paths=()
for path in $TOWPATH_ARTIFACTS; do
  if [[ -e $path ]]; then
    paths+=("$path")
  fi
done
tar -cf "$RUNNER_TEMP/$TOWPATH_STEP.tar" --files-from /dev/null -- "${paths[@]}"
`

	// GitHub gives an empty text for a secret that is not there, and takes no empty one: what is empty is missing, and the stage must not go on as
	// if nobody had asked for it. Else values go to the container by the names of their variables, so that none stands in a command line. The
	// image's own entry point gets the arguments; a script is run by /bin/sh.
	stageScript = `for pair in ${TOWPATH_SECRETS:-}; do
  name="${pair%%=*}"
  if [[ -z ${!name:-} ]]; then
    echo "::error::The variable $name is empty: the repository has no secret ${pair#*=}, or this run does not get it, as those that forks and Dependabot start. Add the secret, or have a condition leave the stage out."
    exit 1
  fi
done
arguments=(run --rm --name towpath-stage --user "$(id -u):$(id -g)" --cap-drop ALL --security-opt no-new-privileges
  --volume "$GITHUB_WORKSPACE:/workspace" --workdir "/workspace/$TOWPATH_FOLDER" --volume "$RUNNER_TEMP/result:/towpath/result"
  --env HOME=/tmp --env TOWPATH_RESULT=/towpath/result/image)
for name in $TOWPATH_VARIABLES; do
  arguments+=(--env "$name")
done
if [[ -n ${TOWPATH_SCRIPT:-} ]]; then
  arguments+=(--volume "$GITHUB_WORKSPACE/$TOWPATH_SCRIPT:/towpath/script:ro" --entrypoint /bin/sh "$TOWPATH_STAGE_IMAGE" -e /towpath/script)
else
  arguments+=("$TOWPATH_STAGE_IMAGE")
  for ((i = 0; i < TOWPATH_ARGS; i++)); do
    name="TOWPATH_ARG_$i"
    arguments+=("${!name}")
  done
fi
for ((try = 0; ; try++)); do
  left=$((TOWPATH_DEADLINE - $(date +%s)))
  if ((left <= 0)); then
    echo "::error::The Build has taken longer than its pipeline allows."
    exit 1
  fi
  rm -rf "$RUNNER_TEMP/result"
  mkdir "$RUNNER_TEMP/result"
  code=0
  timeout --kill-after=30 "$((left < TOWPATH_TIMEOUT ? left : TOWPATH_TIMEOUT))" docker "${arguments[@]}" || code=$?
  docker rm --force towpath-stage >/dev/null 2>&1 || true
  if ((code == 0)); then
    break
  fi
  if ((try >= TOWPATH_RETRIES)); then
    exit "$code"
  fi
  echo "Try $((try + 1)) of $((TOWPATH_RETRIES + 1)) ended with exit code $code."
done
if [[ -s $RUNNER_TEMP/result/image ]]; then
  IFS= read -r written <"$RUNNER_TEMP/result/image" || true
  image="${TOWPATH_IMAGE%:*}"
  digest="${written##*@}"
  name="${written%@*}"
  if [[ $name == "$digest" ]]; then
    name="$image"
  fi
  if [[ $digest =~ ^sha256:[0-9a-f]{64}$ && ($name == "$image" || ${name%:*} == "$image") ]]; then
    echo "image=$image@$digest" >>"$GITHUB_OUTPUT"
  else
    echo "::warning::What the stage wrote to TOWPATH_RESULT is no digest of the image that it should push."
  fi
fi
`
)

// planJob says until when the Build may run, and which stages do.
func (g *generator) planJob() (*job, error) {
	j := g.job("Plan", 10)
	j.Outputs = map[string]string{"deadline": "${{ steps.deadline.outputs.deadline }}"}
	j.Steps = []step{{
		Name: "Say until when all may run", ID: "deadline", Run: deadlineScript,
		Env: map[string]string{"TOWPATH_TIMEOUT": strconv.Itoa(int(g.Plan.Timeout / time.Second))},
	}}
	depth, conditions := "", false
	for _, s := range g.stages {
		if s.When == "" {
			continue
		}
		conditions = true
		j.Outputs[s.Stage] = "${{ steps.conditions.outputs." + s.Stage + " }}"
		if strings.Contains(s.When, "changedPaths") {
			depth = "0"
		}
	}
	if !conditions {
		return j, nil
	}
	checkout, err := g.checkout(depth)
	if err != nil {
		return nil, err
	}
	j.Steps = append(j.Steps, checkout)
	if depth != "" {
		j.Steps = append(j.Steps, step{
			Name: "Find out what changed", Run: changedScript,
			Env: map[string]string{"TOWPATH_BASE": "${{ github.event.pull_request.base.sha }}"},
		})
	}
	j.Steps = append(j.Steps, step{
		Name: "Evaluate the conditions", ID: "conditions", Run: conditionsScript,
		Env: map[string]string{"TOWPATH_CLI": literal(g.Config.Image), "TOWPATH_CONDITIONS": conditionsFile(g.Component.Name)},
	})
	return j, nil
}

func (g *generator) job(name string, minutes int) *job {
	return &job{Name: name, RunsOn: g.Config.runners(), TimeoutMinutes: minutes, Permissions: map[string]string{"contents": "read"}}
}

// condition has a job run once all that it needs, directly or not, has succeeded or was left out by its own condition. GitHub calls
// a job skipped too that did not run since what it needs failed: therefore all of them count, and not the nearest alone.
func (s *stage) condition() string {
	text := "!cancelled() && !contains(needs.*.result, 'failure') && !contains(needs.*.result, 'cancelled')"
	if s.When != "" {
		text += " && needs." + planJob + ".outputs." + s.Stage + " == 'true'"
	}
	return "${{ " + text + " }}"
}

// stageJob runs one stage: a matrix in as many jobs as it has combinations.
func (g *generator) stageJob(s *stage) (*job, error) {
	tries := time.Duration(s.Retries + 1)
	j := g.job(s.Stage, minutes(min(tries*s.Timeout, g.Plan.Timeout)+slack))
	j.Needs, j.If = []string{planJob}, s.condition()
	for _, other := range s.before {
		j.Needs = append(j.Needs, other.Stage)
	}
	j.Outputs = map[string]string{"image": "${{ steps.stage.outputs.image }}"}
	name := s.Stage
	if len(s.runs) > 1 || s.runs[0].Name != s.Stage {
		name = "${{ matrix.towpath-step }}"
		j.Name = s.Stage + " (" + name + ")"
		j.Strategy = &strategy{}
		for _, one := range s.runs {
			j.Strategy.Matrix.Include = append(j.Strategy.Matrix.Include, map[string]string{"towpath-step": one.Name})
		}
	}
	checkout, err := g.checkout("")
	if err != nil {
		return nil, err
	}
	j.Steps = append(j.Steps, checkout)
	if err := g.collect(j, s); err != nil {
		return nil, err
	}
	if len(s.Cache) > 0 {
		uses, err := g.Config.use(actionCache)
		if err != nil {
			return nil, err
		}
		// No name has a dot: a cache is found by how its key begins, and this is the beginning of no other stage's.
		key := "towpath-" + g.Component.Name + "." + name + "."
		j.Steps = append(j.Steps, step{Name: "Fetch the cache", Uses: uses, With: map[string]string{
			"path": strings.Join(g.below(s.Cache), "\n"), "key": key + "${{ github.sha }}", "restore-keys": key,
		}})
	}
	j.Steps = append(j.Steps, g.run(j, s))
	return j, g.keep(j, s, name)
}

// collect puts the artifacts of the stages before it where they were.
func (g *generator) collect(j *job, s *stage) error {
	var names []string
	for _, other := range s.before {
		if len(other.Artifacts) == 0 {
			continue
		}
		uses, err := g.Config.use(actionDownload)
		if err != nil {
			return err
		}
		j.Steps = append(j.Steps, step{
			Name: "Fetch the artifacts of " + other.Stage, If: "${{ needs." + other.Stage + ".result == 'success' }}", Uses: uses,
			With: map[string]string{
				"pattern": "towpath." + g.Component.Name + "." + other.Stage + ".*", "path": "${{ runner.temp }}/artifacts", "merge-multiple": "true",
			},
		})
		for _, one := range other.runs {
			names = append(names, one.Name)
		}
	}
	if len(names) > 0 {
		j.Steps = append(j.Steps, step{Name: "Put the artifacts where they were", Run: unpackScript,
			Env: map[string]string{"TOWPATH_ARTIFACTS": strings.Join(names, " "), "TOWPATH_FOLDER": g.Component.Path}})
	}
	return nil
}

// keep keeps the artifacts of a stage for those that come later.
func (g *generator) keep(j *job, s *stage, name string) error {
	if len(s.Artifacts) == 0 {
		return nil
	}
	uses, err := g.Config.use(actionUpload)
	if err != nil {
		return err
	}
	j.Steps = append(j.Steps,
		step{Name: "Pack the artifacts", Run: packScript, Env: map[string]string{
			"TOWPATH_ARTIFACTS": strings.Join(s.Artifacts, " "), "TOWPATH_STEP": name, "TOWPATH_FOLDER": g.Component.Path,
		}},
		step{Name: "Keep the artifacts", Uses: uses, With: map[string]string{
			"name": "towpath." + g.Component.Name + "." + s.Stage + "." + name, "path": "${{ runner.temp }}/" + name + ".tar",
			"retention-days": "1", "if-no-files-found": "error", "overwrite": "true",
		}})
	return nil
}

// cosignPassword is the one variable of a secret that may be empty: a key may have no password.
const cosignPassword = "COSIGN_PASSWORD"

// run is the step that runs the stage itself.
func (g *generator) run(j *job, s *stage) step {
	env := map[string]string{
		"TOWPATH_FOLDER":   g.Component.Path,
		"TOWPATH_DEADLINE": "${{ needs." + planJob + ".outputs.deadline }}",
		"TOWPATH_TIMEOUT":  strconv.Itoa(int(s.Timeout / time.Second)), "TOWPATH_RETRIES": strconv.Itoa(int(s.Retries)),
	}
	variables := slices.Clone(buildVariables)
	values := make([]map[string]string, len(s.runs))
	for i, one := range s.runs {
		values[i] = map[string]string{"TOWPATH_STAGE_IMAGE": one.Image}
		for _, e := range one.Env {
			if slices.Contains(buildVariables, e.Name) {
				continue
			}
			values[i][e.Name] = e.Value
			if i == 0 {
				variables = append(variables, e.Name)
			}
		}
		for n, arg := range one.Args {
			values[i]["TOWPATH_ARG_"+strconv.Itoa(n)] = arg
		}
	}
	for name := range values[0] {
		env[name] = vary(j, name, values)
	}
	if s.Script != "" {
		env["TOWPATH_SCRIPT"] = Folder(g.Component.Name) + "/" + s.Stage + ".sh"
		g.files[env["TOWPATH_SCRIPT"]] = script(g.Component.Name, s.Script)
	} else {
		env["TOWPATH_ARGS"] = strconv.Itoa(len(s.Args))
	}
	var secrets []string
	for _, e := range s.SecretEnv {
		env[e.Name] = "${{ secrets." + e.SecretKeyRef.Key + " }}"
		variables = append(variables, e.Name)
		if e.Name != cosignPassword {
			secrets = append(secrets, e.Name+"="+e.SecretKeyRef.Key)
		}
	}
	if len(secrets) > 0 {
		env["TOWPATH_SECRETS"] = strings.Join(secrets, " ")
	}
	if built := g.pushed(s.before); built != "" {
		env["TOWPATH_BUILT_IMAGE"] = "${{ " + built + " }}"
		variables = append(variables, "TOWPATH_BUILT_IMAGE")
	}
	if s.Standard == platformv1alpha1.StageSign || s.Standard == platformv1alpha1.StageProvenance {
		// Where no key is given, they show who they are by GitHub's token.
		j.Permissions["id-token"] = "write"
		variables = append(variables, "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL")
	}
	if s.Standard == platformv1alpha1.StageProvenance {
		// The workflow itself says the stages: with a revision of the golden path in it, each one would put it out of step.
		env["TOWPATH_PIPELINE"], env["TOWPATH_INVOCATION"] = "${{ github.workflow_ref }}", runURL+"/attempts/${{ github.run_attempt }}"
		env["TOWPATH_BUILDER"] = pipeline.Builder + "/github-actions"
	}
	slices.Sort(variables)
	env["TOWPATH_VARIABLES"] = strings.Join(variables, " ")
	return step{Name: "Run the stage", ID: "stage", Run: stageScript, Env: env}
}

// vary gives the value of a variable: literally where it is the same in all combinations, else by the matrix.
func vary(j *job, name string, values []map[string]string) string {
	same := true
	for _, one := range values {
		same = same && one[name] == values[0][name]
	}
	if same || j.Strategy == nil {
		return literal(values[0][name])
	}
	for i, one := range values {
		j.Strategy.Matrix.Include[i][name] = literal(one[name])
	}
	return "${{ matrix." + name + " }}"
}

// below puts paths that are relative to the Component's directory below it.
func (g *generator) below(paths []string) []string {
	all := make([]string, len(paths))
	for i, one := range paths {
		all[i] = path.Join(g.Component.Path, one)
	}
	return all
}

// script is the file of a script. It begins as all files of ours do, which is a comment to the shell.
func script(component, text string) []byte {
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return []byte(header(component) + text)
}
