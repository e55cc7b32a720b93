package evidence_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/evidence"
	"github.com/towpath-dev/towpath/internal/supplychain"
	"github.com/towpath-dev/towpath/internal/supplychain/signtest"
)

var (
	image = "registry.example/shop/checkout@sha256:" + strings.Repeat("a", 64)
	who   = types.NamespacedName{Namespace: "team-shop", Name: "checkout"}
)

// registry has some artifacts, or does not answer.
type registry struct {
	mu        sync.Mutex
	artifacts []supplychain.Artifact
	leftOut   []string
	err       error
	asked     map[string]int
	// slow is how long an answer takes, atOnce how many are under way, most how many there were at the same time.
	slow         time.Duration
	atOnce, most int
}

func (r *registry) Fetch(ctx context.Context, image string, look func(*supplychain.Artifact)) ([]string, error) {
	r.mu.Lock()
	if r.asked == nil {
		r.asked = map[string]int{}
	}
	r.asked[image]++
	r.atOnce++
	r.most = max(r.most, r.atOnce)
	artifacts, leftOut, err := r.artifacts, r.leftOut, r.err
	r.mu.Unlock()
	select {
	case <-time.After(r.slow):
	case <-ctx.Done():
	}
	for i := range artifacts {
		look(&artifacts[i])
	}
	r.mu.Lock()
	r.atOnce--
	r.mu.Unlock()
	return leftOut, err
}

// questions are how many there were about an image, or, where that is empty, about how many images.
func (r *registry) questions(image string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if image == "" {
		return len(r.asked)
	}
	return r.asked[image]
}

func (r *registry) change(artifacts []supplychain.Artifact, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.artifacts, r.err = artifacts, err
}

// start runs a Keeper in a bubble, where time passes by itself.
func start(t *testing.T, r *registry, do func(k *evidence.Keeper, woken chan types.NamespacedName, keys supplychain.Signers, s *signtest.Signer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		woken := make(chan types.NamespacedName, 100)
		k := &evidence.Keeper{Source: r, Clock: clock.RealClock{}, Wake: func(_ context.Context, who types.NamespacedName) { woken <- who }}
		ctx, stop := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() { _ = k.Start(ctx) }) // it returns nil
		s := signtest.New()
		do(k, woken, supplychain.SignersOf(&platformv1alpha1.SupplyChain{Keys: []platformv1alpha1.SupplyChainKey{{Name: "ci", PublicKey: s.Public()}}}, nil), s)
		stop()
		group.Wait()
	})
}

func TestKeeper(t *testing.T) {
	r := &registry{}
	start(t, r, func(k *evidence.Keeper, woken chan types.NamespacedName, keys supplychain.Signers, s *signtest.Signer) {
		if k.Look(image, keys) != nil {
			t.Error("something is known before anybody asked")
		}
		if again := k.Ask(image, keys, who, time.Time{}); again != 0 {
			t.Errorf("nobody is asked for %s", again)
		}
		if got := <-woken; got != who {
			t.Errorf("woken is %s", got)
		}
		if found := k.Look(image, keys); found == nil || len(found.Proofs) != 0 || found.Err != nil {
			t.Errorf("known is %+v", found)
		}
		if again := k.Ask(image, keys, who, time.Time{}); again != evidence.DefaultFirst {
			t.Errorf("it may be asked again after %s", again)
		}
		r.change([]supplychain.Artifact{s.Simple("sha256:" + strings.Repeat("a", 64))}, nil)
		time.Sleep(evidence.DefaultFirst)
		k.Ask(image, keys, who, time.Time{})
		<-woken
		if found := k.Look(image, keys); len(found.Proofs) != 1 {
			t.Errorf("known is %+v", found)
		}
		r.change(nil, errors.New("away"))
		time.Sleep(2 * evidence.DefaultFirst)
		k.Ask(image, keys, who, time.Time{})
		<-woken
		if found := k.Look(image, keys); len(found.Proofs) != 1 || found.Err == nil {
			t.Errorf("after a registry did not answer known is %+v", found)
		}
		provenance := s.Envelope("sha256:"+strings.Repeat("a", 64), "https://slsa.dev/provenance/v1", `{"buildDefinition":{"buildType":"b"},"runDetails":{"builder":{"id":"x"}}}`)
		r.change([]supplychain.Artifact{provenance}, errors.New("away, but for a part"))
		time.Sleep(4 * evidence.DefaultFirst)
		k.Ask(image, keys, who, time.Time{})
		<-woken
		if found := k.Look(image, keys); len(found.Proofs) != 2 {
			t.Errorf("what was found beside an error is not known: %+v", found)
		}
		if n := r.questions(image); n != 4 {
			t.Errorf("it was asked %d times", n)
		}
	})
}

// An older scan must not count for the newest where the newest may not have been read.
func TestKeeper_KnowsWhetherAllWasRead(t *testing.T) {
	r := &registry{}
	start(t, r, func(k *evidence.Keeper, woken chan types.NamespacedName, keys supplychain.Signers, s *signtest.Signer) {
		digest := "sha256:" + strings.Repeat("a", 64)
		sbom, scan := s.Envelope(digest, signtest.SPDX, `{"spdxVersion":"SPDX-2.3"}`), s.Envelope(digest, signtest.Vuln, signtest.Scanned(time.Now()))
		for _, tc := range []struct {
			name      string
			artifacts []supplychain.Artifact
			leftOut   []string
			err       error
			want      string
		}{
			{"something left out", []supplychain.Artifact{sbom}, []string{"one is too large"}, nil, "one is too large"},
			{"an error after a part that was not read wholly before", []supplychain.Artifact{sbom}, nil, errors.New("away"), "one is too large"},
			{"all", []supplychain.Artifact{sbom}, nil, nil, ""},
			{"an error after a part that is known", []supplychain.Artifact{sbom}, nil, errors.New("away"), ""},
			{"an error after something new", []supplychain.Artifact{scan}, nil, errors.New("away"), "away"},
		} {
			r.mu.Lock()
			r.artifacts, r.leftOut, r.err = tc.artifacts, tc.leftOut, tc.err
			r.mu.Unlock()
			k.Ask(image, keys, who, time.Time{})
			<-woken
			if got := k.Look(image, keys).Incomplete; got != tc.want {
				t.Errorf("after %s it is incomplete for %q, want %q", tc.name, got, tc.want)
			}
			time.Sleep(evidence.DefaultMost)
		}
	})
}

func TestKeeper_AsksLessAndLessOften(t *testing.T) {
	r := &registry{}
	start(t, r, func(k *evidence.Keeper, woken chan types.NamespacedName, keys supplychain.Signers, _ *signtest.Signer) {
		var last time.Duration
		for range 12 {
			k.Ask(image, keys, who, time.Time{})
			<-woken
			last = k.Ask(image, keys, who, time.Time{})
			time.Sleep(last)
		}
		if last > evidence.DefaultMost || last < evidence.DefaultMost*3/4 {
			t.Errorf("at last it may be asked after %s", last)
		}
	})
}

// grown asks for as long as it takes until it is asked as rarely as can be, and returns after which time it may be asked again.
func grown(k *evidence.Keeper, woken chan types.NamespacedName, keys supplychain.Signers, news time.Time) time.Duration {
	for {
		k.Ask(image, keys, who, news)
		<-woken
		wait := k.Ask(image, keys, who, news)
		if wait >= evidence.DefaultMost*3/4 {
			return wait
		}
		time.Sleep(wait)
	}
}

func TestKeeper_AsksSoonerWithNewsOfAnImage_AndNotForOldOnes(t *testing.T) {
	r := &registry{}
	start(t, r, func(k *evidence.Keeper, woken chan types.NamespacedName, keys supplychain.Signers, _ *signtest.Signer) {
		first := time.Now()
		time.Sleep(time.Second)
		grown(k, woken, keys, first)
		time.Sleep(time.Minute)
		if wait := k.Ask(image, keys, who, first); wait < 5*time.Minute {
			t.Errorf("what was heard before has it asked again after %s", wait)
		}
		asked, news := r.questions(image), time.Now()
		if wait := k.Ask(image, keys, who, news); wait != 0 {
			t.Errorf("of an image of which a Build just ended it is asked after %s", wait)
		}
		<-woken
		if wait := k.Ask(image, keys, who, news); wait != evidence.DefaultFirst {
			t.Errorf("what comes a moment later is asked for after %s", wait)
		}
		var waited []time.Duration
		for range 3 {
			wait := k.Ask(image, keys, who, news)
			waited = append(waited, wait)
			time.Sleep(wait)
			k.Ask(image, keys, who, news)
			<-woken
		}
		if waited[1] <= waited[0] || waited[2] <= waited[1] {
			t.Errorf("with the same news it is asked after %v: it must grow", waited)
		}
		if n := r.questions(image) - asked; n != 4 {
			t.Errorf("it was asked %d times", n)
		}
	})
}

func TestKeeper_AsksNoMoreOftenThanItMay_WhateverIsHeard(t *testing.T) {
	r := &registry{}
	start(t, r, func(k *evidence.Keeper, woken chan types.NamespacedName, keys supplychain.Signers, _ *signtest.Signer) {
		for range 600 {
			k.Ask(image, keys, who, time.Now())
			time.Sleep(100 * time.Millisecond)
		}
		if n, most := r.questions(image), int(time.Minute/evidence.DefaultFirst)+1; n > most {
			t.Errorf("within a minute of news without end it was asked %d times; want at most %d", n, most)
		}
		for len(woken) > 0 {
			<-woken
		}
	})
}

func TestKeeper_AsksSoonerWhereAProofIsNew(t *testing.T) {
	r := &registry{}
	start(t, r, func(k *evidence.Keeper, woken chan types.NamespacedName, keys supplychain.Signers, s *signtest.Signer) {
		wait := grown(k, woken, keys, time.Time{})
		r.change([]supplychain.Artifact{s.Simple("sha256:" + strings.Repeat("a", 64))}, nil)
		time.Sleep(wait)
		k.Ask(image, keys, who, time.Time{})
		<-woken
		if wait := k.Ask(image, keys, who, time.Time{}); wait != evidence.DefaultFirst {
			t.Errorf("whoever has just signed may be about to scan: it is asked after %s", wait)
		}
		time.Sleep(evidence.DefaultFirst)
		k.Ask(image, keys, who, time.Time{})
		<-woken
		if wait := k.Ask(image, keys, who, time.Time{}); wait <= evidence.DefaultFirst {
			t.Errorf("with the same signature it is asked after %s", wait)
		}
	})
}

// What scans have found is the most of what is remembered.
func TestKeeper_ForgetsWhereScansHaveFoundMuch(t *testing.T) {
	matches := make([]string, 128)
	for i := range matches {
		matches[i] = fmt.Sprintf(`{"vulnerability":{"id":"CVE-%d","severity":"Low"},"artifact":{"name":"a"}}`, i)
	}
	of := func(i int) (string, string) {
		digest := fmt.Sprintf("sha256:%064d", i)
		return "registry.example/shop/checkout@" + digest, digest
	}
	r := &registry{}
	start(t, r, func(k *evidence.Keeper, woken chan types.NamespacedName, keys supplychain.Signers, s *signtest.Signer) {
		found := signtest.Found(`{"matches":[`+strings.Join(matches, ",")+`]}`, time.Now())
		const many = 1030
		for i := range many {
			image, digest := of(i)
			r.change([]supplychain.Artifact{s.Envelope(digest, signtest.Vuln, found)}, nil)
			k.Ask(image, keys, who, time.Time{})
			<-woken
		}
		known := 0
		for i := range many {
			if image, _ := of(i); k.Look(image, keys) != nil {
				known++
			}
		}
		if first, _ := of(0); k.Look(first, keys) != nil || known != 1024 {
			t.Errorf("%d images are known", known)
		}
	})
}

// Who has Builds asks no more at once than who has Components.
func TestKeeper_GivesTurnsToOthersToo(t *testing.T) {
	r := &registry{slow: time.Second}
	start(t, r, func(k *evidence.Keeper, woken chan types.NamespacedName, keys supplychain.Signers, _ *signtest.Signer) {
		var under, most, ended atomic.Int32
		for i := range 12 {
			k.Turn([]string{"a", "b", "c"}[i%3], func(context.Context) {
				most.Store(max(most.Load(), under.Add(1)))
				time.Sleep(time.Second)
				under.Add(-1)
				ended.Add(1)
			})
		}
		k.Ask(image, keys, who, time.Time{})
		<-woken
		if ended.Load() != 12 || most.Load() != 4 {
			t.Errorf("%d had their turn, %d at once", ended.Load(), most.Load())
		}
	})
}

func TestKeeper_AsksOnceForAllWhoWait_AndLeavesRoomForOthers(t *testing.T) {
	r := &registry{slow: time.Second}
	start(t, r, func(k *evidence.Keeper, woken chan types.NamespacedName, keys supplychain.Signers, _ *signtest.Signer) {
		other := types.NamespacedName{Namespace: "team-shop", Name: "cart"}
		k.Ask(image, keys, who, time.Time{})
		k.Ask(image, keys, other, time.Time{})
		for _, tag := range []string{"b", "c", "d", "e"} {
			k.Ask("registry.example/shop/"+tag+"@sha256:"+strings.Repeat(tag, 64), keys, who, time.Time{})
		}
		late := types.NamespacedName{Namespace: "team-pay", Name: "ledger"}
		k.Ask("registry.example/pay/ledger@sha256:"+strings.Repeat("f", 64), keys, late, time.Time{})
		first := map[types.NamespacedName]bool{}
		time.Sleep(1500 * time.Millisecond)
		for len(woken) > 0 {
			first[<-woken] = true
		}
		if !first[late] || !first[other] {
			t.Errorf("first woken are %v", first)
		}
		for r.questions("") < 6 {
			<-woken
		}
		if n := r.questions(image); n != 1 {
			t.Errorf("for two it was asked %d times", n)
		}
		time.Sleep(5 * time.Second)
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.most > 3 {
			t.Errorf("%d were under way at once", r.most)
		}
	})
}
