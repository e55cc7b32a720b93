package fault_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/towpath-dev/towpath/hack/process"
)

// supervised is a manager that is started again when it ends, as the kubelet does.
type supervised struct {
	process.Manager
	// profiles is where the process serves its profiles.
	profiles string

	mu     sync.Mutex
	cancel context.CancelFunc
	done   chan struct{}
	starts int
	// replaced says that a manager in the suite's own process runs in place of this one.
	replaced bool
}

// run starts the manager and keeps it running until end. It does nothing where that is done already, and returns once
// the manager is ready.
func (s *supervised) run(ctx context.Context) {
	GinkgoHelper()
	s.mu.Lock()
	if s.replaced {
		s.mu.Unlock()
		return
	}
	if s.cancel == nil {
		var keep context.Context
		keep, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
		s.done = make(chan struct{})
		go s.keep(keep, s.done)
	}
	s.mu.Unlock()
	Eventually(s.answers).WithTimeout(90*time.Second).Should(Succeed(), "the manager does not become ready; see %s", s.Log())
}

// keep starts the manager whenever it does not run.
func (s *supervised) keep(ctx context.Context, done chan struct{}) {
	defer close(done)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if s.PID() == 0 {
			s.mu.Lock()
			s.starts++
			s.mu.Unlock()
			if err := s.Start(ctx, cluster.Plane); err != nil && ctx.Err() == nil {
				_, _ = fmt.Fprintln(GinkgoWriter, "The manager is started again:", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// end stops the manager, and does not start it again.
func (s *supervised) end(ctx context.Context) {
	GinkgoHelper()
	s.mu.Lock()
	cancel, done := s.cancel, s.done
	s.cancel = nil
	s.mu.Unlock()
	if cancel != nil {
		cancel()
		<-done
	}
	Expect(s.Stop(ctx)).To(Succeed())
}

// tell shows the end of the manager's log: its folder goes with the cluster.
func (s *supervised) tell() {
	raw, err := os.ReadFile(s.Log())
	lines := strings.Split(string(raw), "\n")
	GinkgoWriter.Println(strings.Join(lines[max(0, len(lines)-150):], "\n"), err)
}

// replace ends the manager for as long as another one runs in its place: until the end of the spec or container.
func (s *supervised) replace(ctx context.Context) {
	GinkgoHelper()
	s.end(ctx)
	set := func(replaced bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.replaced = replaced
	}
	set(true)
	DeferCleanup(func() { set(false) })
}

// runs says that it is this manager that runs, and not another in its place.
func (s *supervised) runs() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.replaced
}

// started is how often the manager was started.
func (s *supervised) started() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.starts
}

// answers says whether the manager is ready.
func (s *supervised) answers() error {
	port, err := s.Port("probe")
	if err != nil {
		return err
	}
	_, err = get("http://127.0.0.1:" + strconv.Itoa(port) + "/readyz")
	return err
}

func get(url string) (string, error) {
	answer, err := http.Get(url) //nolint:gosec,noctx // the manager of this suite, on the loopback interface
	if err != nil {
		return "", err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", answer.Status, body)
	}
	return string(body), err
}

// weight is what a process carries.
type weight struct {
	goroutines, heap int
}

var (
	goroutinesFigure = regexp.MustCompile(`goroutine profile: total (\d+)`)
	heapFigure       = regexp.MustCompile(`# HeapAlloc = (\d+)`)
)

// weigh asks the manager what it carries, once garbage is collected.
func (s *supervised) weigh() (weight, error) {
	figure := func(page string, pattern *regexp.Regexp) (int, error) {
		body, err := get("http://" + s.profiles + "/debug/pprof/" + page)
		if err != nil {
			return 0, err
		}
		found := pattern.FindStringSubmatch(body)
		if found == nil {
			return 0, fmt.Errorf("%s has no %s", page, pattern)
		}
		return strconv.Atoi(found[1])
	}
	var w weight
	var err error
	if w.goroutines, err = figure("goroutine?debug=1", goroutinesFigure); err != nil {
		return w, err
	}
	w.heap, err = figure("heap?gc=1&debug=1", heapFigure)
	return w, err
}

const (
	// moreGoroutines is by how many goroutines a manager may differ from one time to another: idle connections and
	// requests that are under way have some.
	moreGoroutines = 12
	// moreHeap is by how much its memory may, once garbage is collected.
	moreHeap = 6 << 20
)

// backTo waits until the manager carries what it did.
func (s *supervised) backTo(ctx context.Context, before weight) {
	GinkgoHelper()
	Eventually(ctx, func(g Gomega) {
		now, err := s.weigh()
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(now.goroutines).To(BeNumerically("<=", before.goroutines+moreGoroutines), "goroutines leak")
		g.Expect(now.heap).To(BeNumerically("<=", before.heap+moreHeap), "memory leaks")
	}).Should(Succeed())
}
