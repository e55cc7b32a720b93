package manager

import (
	"context"
	"fmt"
	"os"
	"strings"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/towpath-dev/towpath/internal/history"
	"github.com/towpath-dev/towpath/internal/history/sqlstore"
)

// openHistory returns the store that the configuration names, which is closed with the manager; nil for none.
func openHistory(mgr ctrl.Manager, c *HistoryConfiguration) (history.Store, error) {
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
		return nil, nil
	}
	return store, mgr.Add(closer{store})
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
