package lazylog_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	uberzap "go.uber.org/zap"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/towpath-dev/towpath/internal/lazylog"
)

var timestamp = regexp.MustCompile(`"ts":"[^"]*",?`)

// said is what a logger writes that is used in all ways.
func said(options ...uberzap.Option) string {
	var to bytes.Buffer
	log := zap.New(zap.WriteTo(&to), zap.RawZapOpts(options...))
	log.Info("plain")
	named := log.WithName("controller").WithValues("object", types.NamespacedName{Namespace: "shop", Name: "checkout"}, "n", 1).WithName("inner").WithValues("id", "x")
	other := named.WithValues("other", "branch")
	named.Info("with values", "more", true, "at", metav1.Unix(0, 0).UTC())
	named.V(5).Info("not at this level")
	named.Error(errors.New("wrong"), "an error", "more", 2)
	other.Info("of a branch")
	named.WithValues("another", "branch").Info("of another")
	for i := range 200 {
		named.Info(fmt.Sprint("one of many ", i%2)) // which are sampled
	}
	return timestamp.ReplaceAllString(to.String(), "")
}

func TestWhatIsLoggedIsTheSame(t *testing.T) {
	want := strings.Split(said(), "\n")
	got := strings.Split(said(lazylog.Option()), "\n")
	stack := func(lines []string) {
		for i := range lines {
			lines[i], _, _ = strings.Cut(lines[i], `,"stacktrace"`)
		}
	}
	stack(want)
	stack(got)
	if len(want) < 100 {
		t.Fatalf("nothing to compare with: %q", want)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func BenchmarkPassThatLogsNothing(b *testing.B) {
	pass := func(b *testing.B, options ...uberzap.Option) {
		log := zap.New(zap.WriteTo(io.Discard), zap.RawZapOpts(options...))
		b.ReportAllocs()
		for b.Loop() {
			log.WithValues("Component", types.NamespacedName{Namespace: "shop", Name: "checkout"}, "namespace", "shop", "name", "checkout").WithValues("reconcileID", "x")
		}
	}
	b.Run("zap", func(b *testing.B) { pass(b) })
	b.Run("lazy", func(b *testing.B) { pass(b, lazylog.Option()) })
}
