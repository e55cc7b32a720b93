package prometheus

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// alertmanager is the command of Alertmanager: TOWPATH_ALERTMANAGER, or what fetch.sh wrote. The latter looks for its templates in
// /usr/share, so it sees there what was written beside it: in a mount namespace of its own, as nothing on the machine may change.
func alertmanager() ([]string, error) {
	path, err := binary("alertmanager", "TOWPATH_ALERTMANAGER")
	if err != nil {
		return nil, err
	}
	share := path + ".share"
	if _, err := os.Stat(share); os.IsNotExist(err) {
		return []string{path}, nil
	}
	unshare := []string{"unshare", "--user", "--map-root-user", "--mount"}
	if out, err := exec.Command(unshare[0], append(unshare[1:], "mount", "--bind", share, "/usr/share")...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("this machine gives no mount namespace, which Debian's Alertmanager needs: set TOWPATH_ALERTMANAGER to another: %w: %s", err, out)
	}
	return append(unshare, "sh", "-c", `mount --bind "$0" /usr/share && exec "$@"`, share, path), nil
}

// HasAlertmanager says why none can be started; nil where one can.
func HasAlertmanager() error {
	_, err := alertmanager()
	return err
}

// StartAlertmanager runs one that keeps its data in a folder, and sends each alert, and its end, to a webhook at once. It returns
// its address when it is ready, and what stops it.
func StartAlertmanager(ctx context.Context, dir, webhook string) (address string, stop func(), err error) {
	command, err := alertmanager()
	if err != nil {
		return "", nil, err
	}
	port, err := freePort()
	if err != nil {
		return "", nil, err
	}
	file := filepath.Join(dir, "alertmanager.yaml")
	config := fmt.Sprintf("route: {receiver: test, group_by: [...], group_wait: 0s, group_interval: 1s}\nreceivers:\n- name: test\n  webhook_configs: [{url: %q, send_resolved: true}]\n", webhook)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return "", nil, err
	}
	listen := fmt.Sprintf("127.0.0.1:%d", port)
	command = append(command, "--config.file="+file, "--storage.path="+filepath.Join(dir, "data"), "--web.listen-address="+listen,
		"--cluster.listen-address=", "--log.level=error")
	process := exec.Command(command[0], command[1:]...)
	process.Stderr = os.Stderr
	if err := process.Start(); err != nil {
		return "", nil, fmt.Errorf("starting %s: %w", command[0], err)
	}
	stop = sync.OnceFunc(func() {
		_ = process.Process.Kill()
		_ = process.Wait()
	})
	if err := awaitReady(ctx, "http://"+listen+"/-/ready"); err != nil {
		stop()
		return "", nil, err
	}
	return "http://" + listen, stop, nil
}

// awaitReady waits until an address answers with 200.
func awaitReady(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("it answers %s", answer.Status)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", address, err)
		case <-time.After(interval):
		}
	}
}
