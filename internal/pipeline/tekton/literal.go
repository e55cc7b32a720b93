package tekton

import (
	"slices"
	"strings"

	"github.com/towpath-dev/towpath/internal/pipeline"
)

// Three programs put values into texts, each where it finds $(…): Tekton's controller into nearly every field, with no way to escape;
// the kubelet into arguments and values of variables, where $(NAME) is a variable; and Tekton's entry point, in the container, into
// arguments and variables again, where $(steps.… is a result and $(step.artifacts… an artifact.

// dollar is the name of a variable that holds a dollar.
const dollar = "TOWPATH_DOLLAR"

// literal has all of a text arrive as it is. Each dollar is a variable: to Tekton that is none of its names, and the kubelet puts the
// dollar there, and looks at the result no more. What then begins like a result of a step is all that is left: see hidden.
func literal(text string) string { return strings.ReplaceAll(text, "$", "$("+dollar+")") }

// hide turns a text into one without any dollar, for printf %b to turn back.
func hide(text string) string {
	return strings.NewReplacer(`\`, `\\`, "$", `\0044`).Replace(text)
}

// decode runs a script that is hidden in a variable, after it has turned back the variables that are hidden too. What it evaluates are
// names of variables alone. It is the same for every stage, and holds no $( and no $$, which the kubelet would change.
const decode = "for name in $TOWPATH_HIDDEN; do\n" +
	"  eval 'hidden=$'\"$name\"\n" +
	"  shown=`printf '%b.' \"$hidden\"`\n" +
	"  eval \"export $name=\\\"\\${shown%.}\\\"\"\n" +
	"done\n" +
	"shown=`printf '%b.' \"$TOWPATH_SCRIPT\"`\n" +
	"unset TOWPATH_SCRIPT TOWPATH_HIDDEN\n" +
	"exec /bin/sh -e -c \"${shown%.}\"\n"

// environment are the variables of a step. Where a script runs, a value that Tekton's entry point could take for its own is hidden from
// it. Arguments have no shell to turn them back: a stage with arguments and such a value fails, since there is no such step, and
// nothing else comes of it.
func environment(s *pipeline.Step) []any {
	env := []any{
		// The volume is another user's: git would not touch it.
		plain("GIT_CONFIG_COUNT", "1"), plain("GIT_CONFIG_KEY_0", "safe.directory"), plain("GIT_CONFIG_VALUE_0", "*"),
		plain(dollar, "$"), plain("HOME", home), plain("TOWPATH_RESULT", "/tekton/results/"+image),
	}
	var hidden []string
	for _, e := range s.Env {
		value := literal(e.Value)
		if s.Script != "" && strings.Contains(e.Value, "$(step") {
			hidden, value = append(hidden, e.Name), hide(e.Value)
		}
		env = append(env, plain(e.Name, value))
	}
	for _, e := range s.SecretEnv {
		env = append(env, fromSecret(e.Name, e.SecretKeyRef.Name, e.SecretKeyRef.Key, false))
	}
	if s.Script != "" {
		slices.Sort(hidden)
		env = append(env, plain("TOWPATH_HIDDEN", strings.Join(hidden, " ")), plain("TOWPATH_SCRIPT", hide(s.Script)))
	}
	return env
}

func plain(name, value string) map[string]any { return map[string]any{"name": name, "value": value} }

func fromSecret(name, secret, key string, optional bool) map[string]any {
	ref := map[string]any{"name": secret, "key": key}
	if optional {
		ref["optional"] = true
	}
	return map[string]any{"name": name, "valueFrom": map[string]any{"secretKeyRef": ref}}
}
