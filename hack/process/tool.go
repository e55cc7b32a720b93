package process

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// Tool is a program of somebody else that runs beside a control plane, such as a controller of Flux or of Tekton. It ends with this
// process at the latest.
type Tool struct {
	// Name of the program in bin/.
	Name string
	// Arguments and Environment (NAME=value) that it gets; it has nothing else of this process's environment but PATH and HOME.
	Arguments, Environment []string
	// Dir is where it runs, and where its log is.
	Dir string
	// Ready is a URL that answers 200 once it works; empty where nothing tells.
	Ready string

	command *exec.Cmd
	done    chan struct{}
}

// Built returns the path of a program in bin/, and an error where nobody has built it.
func Built(name string) (string, error) {
	_, file, _, _ := runtime.Caller(0)
	path := filepath.Join(filepath.Dir(file), "..", "..", "bin", name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("nobody has built bin/%s: %w", name, err)
	}
	return path, nil
}

// Log is the path of its log.
func (t *Tool) Log() string { return filepath.Join(t.Dir, t.Name+".log") }

// Start starts it, and waits until it is ready.
func (t *Tool) Start(ctx context.Context) error {
	binary, err := Built(t.Name)
	if err != nil {
		return err
	}
	out, err := os.Create(t.Log())
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	t.command = exec.Command(binary, t.Arguments...) //nolint:gosec // a program of bin/, with the arguments of a test
	t.command.Dir, t.command.Stdout, t.command.Stderr = t.Dir, out, out
	t.command.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.Dir, "TMPDIR=" + t.Dir}, t.Environment...)
	t.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	t.done = make(chan struct{})
	started := make(chan error, 1)
	go func() { // the thread that forks stays until the program has ended: see run
		runtime.LockOSThread()
		defer close(t.done)
		err := t.command.Start()
		started <- err
		if err == nil {
			_ = t.command.Wait()
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("starting %s: %w", binary, err)
	}
	err = wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, startTimeout, true, func(ctx context.Context) (bool, error) {
		select {
		case <-t.done:
			return false, errors.New("it ended")
		default:
			return t.Ready == "" || answers(ctx, t.Ready), nil
		}
	})
	if err != nil {
		t.Stop()
		return fmt.Errorf("%s did not become ready: %w; see %s:\n%s", t.Name, err, t.Log(), tail(t.Log()))
	}
	return nil
}

// Stop ends it, by force when it does not go.
func (t *Tool) Stop() {
	if t.command == nil || t.command.Process == nil {
		return
	}
	_ = t.command.Process.Signal(syscall.SIGTERM)
	select {
	case <-t.done:
	case <-time.After(stopTimeout):
		_ = t.command.Process.Kill()
		<-t.done
	}
}

func answers(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}
