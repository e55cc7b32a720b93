package main

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

func sleepy(how func(*platformv1alpha1.Environment)) *platformv1alpha1.Environment {
	e := &platformv1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: "dev"}}
	e.Spec.ClassRef.Name = "development"
	if how != nil {
		how(e)
	}
	return e
}

func TestEnvWake(t *testing.T) {
	now := time.Date(2026, 11, 20, 21, 0, 0, 500, time.UTC)
	wallClock = testingclock.NewFakePassiveClock(now)
	t.Cleanup(func() { wallClock = clock.RealClock{} })
	class := &platformv1alpha1.EnvironmentClass{ObjectMeta: metav1.ObjectMeta{Name: "development"}}
	class.Spec.Sleep = &platformv1alpha1.ClassSleep{MaxWakeSeconds: 14400}
	for name, tc := range map[string]struct {
		environment *platformv1alpha1.Environment
		args        []string
		want        platformv1alpha1.EnvironmentSpec
		said        string
	}{
		"for two hours": {sleepy(nil), []string{"dev"}, platformv1alpha1.EnvironmentSpec{WakeUntil: new(metav1.Date(2026, 11, 20, 23, 0, 0, 0, time.UTC))},
			"environment dev is awake until 2026-11-20T23:00:00Z\n"},
		"for longer than its class allows": {sleepy(nil), []string{"dev", "--for", "6h"}, platformv1alpha1.EnvironmentSpec{WakeUntil: new(metav1.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC))},
			"environment dev is awake for 4h0m0s, which is the longest that its class development allows at once\n"},
		"one that never sleeps": {sleepy(func(e *platformv1alpha1.Environment) {
			e.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: "True", Reason: "Ready"}}
		}), []string{"dev"}, platformv1alpha1.EnvironmentSpec{WakeUntil: new(metav1.Date(2026, 11, 20, 23, 0, 0, 0, time.UTC))},
			"environment dev does not sleep: neither its class development nor its spec.sleep has it do so\n"},
		"one that always sleeps": {sleepy(func(e *platformv1alpha1.Environment) {
			e.Spec.Sleep = &platformv1alpha1.EnvironmentSleep{Mode: platformv1alpha1.SleepAlways}
		}), []string{"dev", "--for", "30m"}, platformv1alpha1.EnvironmentSpec{
			WakeUntil: new(metav1.Date(2026, 11, 20, 21, 30, 0, 0, time.UTC)), Sleep: &platformv1alpha1.EnvironmentSleep{Mode: platformv1alpha1.SleepAlways},
		}, "environment dev is awake until 2026-11-20T21:30:00Z\n"},
		"by its windows again": {sleepy(func(e *platformv1alpha1.Environment) {
			e.Spec.Sleep, e.Spec.WakeUntil = &platformv1alpha1.EnvironmentSleep{Mode: platformv1alpha1.SleepAlways}, new(metav1.NewTime(now))
		}), []string{"dev", "--scheduled"}, platformv1alpha1.EnvironmentSpec{Sleep: &platformv1alpha1.EnvironmentSleep{Mode: platformv1alpha1.SleepScheduled}},
			"environment dev sleeps by its windows alone\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got, fakes := asBob(t, []client.Object{tc.environment, class}, append([]string{"env", "wake"}, tc.args...)...)
			is := sleepy(nil)
			if err := fakes.Get(t.Context(), client.ObjectKeyFromObject(is), is); err != nil || got.code != exitOK || got.out != tc.said {
				t.Fatalf("%+v, %v", got, err)
			}
			if !is.Spec.WakeUntil.Equal(tc.want.WakeUntil) || (is.Spec.Sleep == nil) != (tc.want.Sleep == nil) || is.Spec.Sleep != nil && is.Spec.Sleep.Mode != tc.want.Sleep.Mode {
				t.Errorf("it wants %+v", is.Spec)
			}
		})
	}
}

func TestEnvSleep(t *testing.T) {
	got, fakes := asBob(t, []client.Object{sleepy(func(e *platformv1alpha1.Environment) { e.Spec.WakeUntil = new(metav1.Now()) })}, "env", "sleep", "dev")
	is := sleepy(nil)
	if err := fakes.Get(t.Context(), client.ObjectKeyFromObject(is), is); err != nil || got.code != exitOK {
		t.Fatalf("%+v, %v", got, err)
	}
	if is.Spec.WakeUntil != nil || is.Spec.Sleep.Mode != platformv1alpha1.SleepAlways {
		t.Errorf("it wants %+v", is.Spec)
	}
	if !strings.Contains(got.out, "towpath env wake -n team-shop dev") {
		t.Errorf("it says %q", got.out)
	}
}

func TestEnv_SaysWhatHelps(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"one that does not exist": {[]string{"env", "wake", "prod"}, "next: kubectl -n team-shop get environments"},
		"too short":               {[]string{"env", "wake", "dev", "--for", "5s"}, "next: set it to a time such as 2h or 30m"},
		"no name":                 {[]string{"env", "sleep"}, "next: towpath env sleep --help"},
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := asBob(t, []client.Object{sleepy(nil)}, tc.args...)
			if got.code == exitOK || !strings.Contains(got.err, tc.want) {
				t.Errorf("%+v", got)
			}
		})
	}
}
