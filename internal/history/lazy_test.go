package history_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/towpath-dev/towpath/internal/history"
	"github.com/towpath-dev/towpath/internal/history/sqlstore"
)

// TestLazy_NobodyWaitsForADatabaseThatDoesNotAnswer opens a store that does not answer, until it does.
func TestLazy_NobodyWaitsForADatabaseThatDoesNotAnswer(t *testing.T) {
	asked, answer := make(chan struct{}, 10), make(chan struct{})
	var opened atomic.Int32
	path := filepath.Join(t.TempDir(), "history.db")
	lazy := history.NewLazy(func(ctx context.Context) (history.Store, error) {
		opened.Add(1)
		asked <- struct{}{}
		select {
		case <-answer:
			return sqlstore.OpenSQLite(ctx, path)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
	first := make(chan error, 1)
	patient, impatient := context.WithCancel(t.Context())
	go func() {
		_, err := lazy.Slices(patient, "aws")
		first <- err
	}()
	<-asked
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := lazy.Slices(gone, "aws"); !errors.Is(err, history.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("who has no time gets %v", err)
	}
	impatient()
	if err := <-first; !errors.Is(err, history.ErrUnavailable) {
		t.Errorf("who asked first and leaves gets %v", err)
	}
	close(answer)
	if _, err := lazy.Slices(t.Context(), "aws"); err != nil || opened.Load() != 1 {
		t.Errorf("the attempt of the first one is lost: %v, %d attempts", err, opened.Load())
	}
	if err := lazy.Close(); err != nil {
		t.Error(err)
	}
}

// TestLazy_ClosesWhileItIsBeingOpened ends a manager whose database does not answer.
func TestLazy_ClosesWhileItIsBeingOpened(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan struct{})
	lazy := history.NewLazy(func(ctx context.Context) (history.Store, error) {
		close(asked)
		<-answer
		return sqlstore.OpenSQLite(ctx, filepath.Join(t.TempDir(), "history.db"))
	})
	waits := make(chan error, 1)
	go func() { waits <- lazy.Forget(t.Context(), "aws") }()
	<-asked
	if err := lazy.Close(); err != nil {
		t.Error(err)
	}
	close(answer)
	if err := <-waits; !errors.Is(err, history.ErrUnavailable) {
		t.Errorf("who waited gets %v", err)
	}
}

func TestLazy_TriesAgain(t *testing.T) {
	tries := 0
	lazy := history.NewLazy(func(ctx context.Context) (history.Store, error) {
		if tries++; tries == 1 {
			return nil, errors.New("it is away")
		}
		return sqlstore.OpenSQLite(ctx, filepath.Join(t.TempDir(), "history.db"))
	})
	t.Cleanup(func() { _ = lazy.Close() })
	if _, err := lazy.Slices(t.Context(), "aws"); !errors.Is(err, history.ErrUnavailable) {
		t.Errorf("it says %v", err)
	}
	if _, err := lazy.Slices(t.Context(), "aws"); err != nil {
		t.Error(err)
	}
}
