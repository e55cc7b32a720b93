package manager

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/towpath-dev/towpath/internal/history"
	"github.com/towpath-dev/towpath/internal/history/sqlstore"
)

// openHistory returns the store that the configuration names, which is closed with the manager, and whether it is lost with this pod; nil for
// none.
func openHistory(mgr ctrl.Manager, c *HistoryConfiguration) (kept history.Store, lost bool, err error) {
	var store *history.Lazy
	switch {
	case c.SQLite != "":
		store = history.NewLazy(func(ctx context.Context) (history.Store, error) { return sqlstore.OpenSQLite(ctx, c.SQLite) })
	case c.PostgreSQLAddressFile != "":
		store = history.NewLazy(func(ctx context.Context) (history.Store, error) {
			// Read each time that the database is not open, so that a password which has changed is taken up.
			address, err := os.ReadFile(c.PostgreSQLAddressFile)
			if err != nil {
				return nil, fmt.Errorf("reading the address of PostgreSQL: %w", err)
			}
			return sqlstore.OpenPostgreSQL(ctx, strings.TrimSpace(string(address)))
		})
	default:
		return nil, false, nil
	}
	if lost = c.SQLite != "" && lostWithPod(mounts(), c.SQLite); lost {
		mgr.GetLogger().Error(nil, "The history of costs is kept on a volume that is lost with this pod, and that no other manager sees: after a roll-out or an eviction "+
			"budgets and reports begin anew, with what bills tell again and estimates of at most 31 days. Name a PostgreSQL that all managers share (history.postgresqlAddressFile), "+
			"or run one manager with a claim (overlay history): docs/costs.md#history", "file", c.SQLite)
	}
	return store, lost, mgr.Add(closer{store})
}

// mounts is what Linux tells of what is mounted where; empty where nothing does.
func mounts() string {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	return string(text)
}

// lostWithPod says whether a file is on an emptyDir of Kubernetes, or in memory, by the lines of /proc/self/mountinfo: the mount that is
// nearest above it decides. Where nothing is mounted for it, which is so outside of a pod, nobody knows.
func lostWithPod(mountinfo, file string) bool {
	nearest, lost := "", false
	for line := range strings.Lines(mountinfo) {
		// ID, parent, device, root within the file system, where it is mounted, options, …, -, type of the file system, source, options
		fields := strings.Fields(line)
		dash := slices.Index(fields, "-")
		const where = 4
		if dash < where || dash+1 >= len(fields) {
			continue
		}
		at := fields[where]
		if at == "/" || len(at) < len(nearest) || !strings.HasPrefix(file, strings.TrimSuffix(at, "/")+"/") {
			continue
		}
		nearest, lost = at, strings.Contains(fields[where-1], "kubernetes.io~empty-dir") || fields[dash+1] == "tmpfs"
	}
	return lost
}

// closer closes the history when the manager ends.
type closer struct{ store history.Store }

// NeedLeaderElection says that each replica closes its own.
func (closer) NeedLeaderElection() bool { return false }

// Start waits for the end.
func (c closer) Start(ctx context.Context) error {
	<-ctx.Done()
	return c.store.Close()
}
