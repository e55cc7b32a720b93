package sleep_test

import (
	"testing"
	"time"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/sleep"
)

// A reconcile decides once. What makes no sense must not cost much more than what does: tenants write windows too.
func BenchmarkAt(b *testing.B) {
	own := func(windows ...platformv1alpha1.SleepWindow) sleep.Plan {
		return sleep.Plan{UID: "e", Own: &platformv1alpha1.EnvironmentSleep{Windows: windows}}
	}
	for name, p := range map[string]sleep.Plan{
		"night and weekend": plan(cron("n", "Europe/Berlin", "0 20 * * 1-5", 11*time.Hour), cron("w", "Europe/Berlin", "0 20 * * 5", 59*time.Hour)),
		"never comes":       own(cron("n", "UTC", "0 0 30 2 *", time.Hour)),
		"never closes":      own(cron("n", "UTC", "0 0 * * *", 24*time.Hour)),
		"often": own(cron("a", "UTC", "*/30 * * * 0-5", 29*time.Minute), cron("b", "Europe/Berlin", "15,45 * * * *", 15*time.Minute),
			cron("c", "UTC", "5 * * * *", 20*time.Minute), cron("d", "Asia/Kolkata", "*/20 * * * *", time.Minute)),
	} {
		b.Run(name, func(b *testing.B) {
			for i := range b.N {
				sleep.At(p, time.Date(2026, 6, 1, 0, i%1440, 0, 0, time.UTC))
			}
		})
	}
}
