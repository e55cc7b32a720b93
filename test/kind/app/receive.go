package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// receiver takes alerts as a receiver of webhooks should, and hands out a bill.
type receiver struct {
	key []byte

	mu sync.Mutex
	// order and events are what came, by its ID: what comes twice counts once.
	order  []string
	events map[string]json.RawMessage
}

// receive takes what is posted to /alerts where it is signed by KEY, and tells it there; at /bill.csv is what BILL says.
func receive() error {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(os.Getenv("KEY"), "whsec_"))
	if err != nil {
		return fmt.Errorf("KEY: %w", err)
	}
	r := &receiver{key: key, events: map[string]json.RawMessage{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /alerts", r.take)
	mux.HandleFunc("GET /alerts", r.tell)
	mux.HandleFunc("GET /bill.csv", func(w http.ResponseWriter, request *http.Request) {
		// In parts, as the manager asks for it, which has no room for files.
		w.Header().Set("ETag", `"1"`)
		http.ServeContent(w, request, "bill.csv", time.Time{}, strings.NewReader(os.Getenv("BILL")))
	})
	return listen(tagged(mux)).ListenAndServe()
}

func (r *receiver) take(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, 1<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	id := request.Header.Get("Webhook-Id")
	mac := hmac.New(sha256.New, r.key)
	_, _ = fmt.Fprintf(mac, "%s.%s.%s", id, request.Header.Get("Webhook-Timestamp"), body)
	signature := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	if id == "" || !hmac.Equal([]byte(signature), []byte(request.Header.Get("Webhook-Signature"))) || !json.Valid(body) {
		log.Print("refused")
		http.Error(w, "not signed by us", http.StatusUnauthorized)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.events[id] == nil {
		r.order = append(r.order, id)
	}
	r.events[id] = body
	log.Printf("%s", body)
	w.WriteHeader(http.StatusNoContent)
}

func (r *receiver) tell(w http.ResponseWriter, _ *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := []json.RawMessage{}
	for _, id := range r.order {
		all = append(all, r.events[id])
	}
	if err := json.NewEncoder(w).Encode(all); err != nil {
		log.Print(err)
	}
}
