package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"

	kindexec "sigs.k8s.io/kind/pkg/exec"
)

// docker runs Docker's client, and returns what it printed. An error says what it complained of.
func docker(ctx context.Context, arguments ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "docker", arguments...)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return "", fmt.Errorf("docker %s: %w%s", arguments[0], err, indented(complaint.String()))
	}
	return strings.TrimSpace(out.String()), nil
}

// explained is an error of kind with what the command printed that failed, which kind itself leaves out, and with what to do about it.
func explained(err error) error {
	if err == nil {
		return nil
	}
	text := ""
	if failed := kindexec.RunErrorForError(err); failed != nil {
		text = indented(string(failed.Output))
	}
	return fmt.Errorf("%w%s%s", err, text, advice(err.Error()+text))
}

// shown is how many lines of what a command printed an error has: the last ones say why it failed.
const shown = 20

func indented(output string) string {
	output = strings.TrimSpace(output)
	if output == "" {
		return ""
	}
	lines := strings.Split(output, "\n")
	lines = lines[max(0, len(lines)-shown):]
	return "\n    " + strings.Join(lines, "\n    ")
}

// known are complaints of Docker that its words do not say the way out of.
var known = []struct {
	words  []string
	advice string
}{
	{
		[]string{"port is already allocated", "address already in use"},
		"Another process listens at the port that this cluster's API server has on this machine, which was chosen when the cluster was made.\n" +
			"End that process (ss -ltnp shows it) and call make kind-up again; or make kind-down and then make kind-up, which chooses another port.",
	},
	{
		[]string{"no space left on device"},
		"The disk of Docker is full. docker system df shows of what, and docker system prune removes what nothing uses.",
	},
	{
		[]string{"permission denied while trying to connect"},
		"You may not talk to the Docker daemon: become a member of the group docker, or call this as root.",
	},
}

// advice is what to do about a complaint of Docker, on lines of its own, or nothing.
func advice(complaint string) string {
	for _, k := range known {
		for _, words := range k.words {
			if strings.Contains(complaint, words) {
				return "\n" + k.advice
			}
		}
	}
	return ""
}
