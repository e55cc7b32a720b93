package proxy

import (
	"encoding/json"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// silent takes what net/http says of connections that a fault broke off.
var silent = log.New(io.Discard, "", 0)

// Fault answers a call, or has pass do so. It marks calls of which it changes what comes of them.
type Fault func(w http.ResponseWriter, call *Call, pass func(http.ResponseWriter))

// On has a fault act on calls for which a condition holds; others pass.
func On(holds func(*Call) bool, fault Fault) Fault {
	return func(w http.ResponseWriter, call *Call, pass func(http.ResponseWriter)) {
		if !holds(call) {
			pass(w)
			return
		}
		fault(w, call, pass)
	}
}

// OneIn is a condition that holds for one in each n of the calls for which another does; which one is drawn from a seed.
func OneIn(n int, seed uint64, holds func(*Call) bool) func(*Call) bool {
	var mu sync.Mutex
	source := rand.New(rand.NewPCG(seed, 0))
	place, drawn := 0, source.IntN(n)
	return func(call *Call) bool {
		mu.Lock()
		defer mu.Unlock()
		if !holds(call) {
			return false
		}
		is := place == drawn
		if place++; place == n {
			place, drawn = 0, source.IntN(n)
		}
		return is
	}
}

// First is a condition that holds for the first call of each verb to each object, of those for which another does.
func First(holds func(*Call) bool) func(*Call) bool {
	type key struct{ verb, resource, namespace, name string }
	var mu sync.Mutex
	seen := map[key]bool{}
	return func(call *Call) bool {
		if !holds(call) {
			return false
		}
		mu.Lock()
		defer mu.Unlock()
		k := key{call.Verb, call.Resource, call.Namespace, call.Name}
		first := !seen[k]
		seen[k] = true
		return first
	}
}

// Nth is a condition that holds once, for the n-th call for which another does.
func Nth(n int, holds func(*Call) bool) func(*Call) bool {
	var mu sync.Mutex
	return func(call *Call) bool {
		mu.Lock()
		defer mu.Unlock()
		if !holds(call) {
			return false
		}
		n--
		return n == 0
	}
}

// Refuse answers in place of the API server, with a Status as that has it. A pause is sent as Retry-After.
func Refuse(code int, reason metav1.StatusReason, message string, pause time.Duration) Fault {
	return func(w http.ResponseWriter, call *Call, _ func(http.ResponseWriter)) {
		call.Inject()
		status := metav1.Status{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
			Status:   metav1.StatusFailure, Code: int32(code), Reason: reason, Message: message,
		}
		w.Header().Set("Content-Type", "application/json")
		if pause > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(pause.Seconds())))
		}
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(status) // who does not listen any more misses nothing
	}
}

// LoseAnswer has the API server do what is asked, and breaks the connection off before its answer is out.
func LoseAnswer(_ http.ResponseWriter, call *Call, pass func(http.ResponseWriter)) {
	call.Inject()
	pass(httptest.NewRecorder())
	panic(http.ErrAbortHandler)
}

// After has the API server do what is asked, and does something before the answer goes out; where that ends the client,
// the answer reaches nobody.
func After(do func()) Fault {
	return func(w http.ResponseWriter, call *Call, pass func(http.ResponseWriter)) {
		call.Inject()
		answer := httptest.NewRecorder()
		pass(answer)
		do()
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}
}

// Hold keeps calls back until the channel is closed, and passes them on then.
func Hold(until <-chan struct{}) Fault {
	return func(w http.ResponseWriter, call *Call, pass func(http.ResponseWriter)) {
		call.Inject()
		<-until
		pass(w)
	}
}
