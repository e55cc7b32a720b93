package process

import (
	"os"
	"os/exec"
	"strconv"
	"testing"
)

// One start in eight was seen before its arguments were, and taken for a manager that had ended.
func TestManager_RunsAsSoonAsItIsStarted(t *testing.T) {
	m := &Manager{Dir: t.TempDir()}
	for range 200 {
		cmd := exec.Command("/bin/sh", "-c", "read forever", m.kubeconfig())
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := run(cmd); err != nil {
			t.Fatal(err)
		}
		arguments, err := os.ReadFile("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/cmdline")
		if err != nil || len(arguments) == 0 {
			t.Errorf("started, and has the arguments %q (%v)", arguments, err)
		}
		if err := stdin.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// One that ends at once is not waited for.
func TestRun_ReturnsWhereTheProcessEnds(t *testing.T) {
	for range 50 {
		if err := run(exec.Command("/bin/true")); err != nil {
			t.Fatal(err)
		}
	}
}
