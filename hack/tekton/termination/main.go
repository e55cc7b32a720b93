// Command termination writes what a step of Tekton leaves behind when it ends, as Tekton's own entry point does: for a test that plays the
// kubelet. Its arguments are name=value for each result; what it writes to its output is the termination message of the container.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tektoncd/pipeline/pkg/result"
	"github.com/tektoncd/pipeline/pkg/termination"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	results := []result.RunResult{{Key: "StartedAt", Value: time.Now().UTC().Format(time.RFC3339Nano), ResultType: result.InternalTektonResultType}}
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok {
			return fmt.Errorf("%q must be a name and a value: image=registry.example/shop@sha256:…", arg)
		}
		results = append(results, result.RunResult{Key: name, Value: value, ResultType: result.TaskRunResultType})
	}
	dir, err := os.MkdirTemp("", "termination-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "message")
	if err := termination.WriteMessage(file, results); err != nil {
		return err
	}
	message, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(message)
	return err
}
