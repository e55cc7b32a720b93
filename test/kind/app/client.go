package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	// period is between two requests.
	period = 20 * time.Millisecond
	// patience is how long an answer may take. A connection that is refused or reset fails at once; one that got
	// no answer for so long would have failed a user.
	patience = 10 * time.Second
)

// client calls an address without a pause, each time by a connection of its own as a new caller does, and tells at
// /stats how that went from the first answer of the app on: a Service that was just made is not known to the node for a moment.
type client struct {
	url  string
	http http.Client

	mu    sync.Mutex
	begun bool
	stats Stats
}

// Stats is what a client has seen so far.
type Stats struct {
	Requests int            `json:"requests"`
	Failures int            `json:"failures"`
	Errors   []string       `json:"errors,omitempty"` // the first ones
	Answers  map[string]int `json:"answers"`          // by their text
}

func newClient(args []string) *client {
	c := &client{stats: Stats{Answers: map[string]int{}}}
	if len(args) > 0 {
		c.url = args[0]
	}
	c.http = http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	return c
}

// run calls until the process ends.
func (c *client) run() error {
	if c.url == "" {
		return errors.New("the client needs a URL")
	}
	go func() {
		// A slow answer holds up no other request.
		for range time.Tick(period) {
			go c.call()
		}
	}()
	mux := http.NewServeMux()
	mux.HandleFunc("/stats", func(w http.ResponseWriter, _ *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if err := json.NewEncoder(w).Encode(c.stats); err != nil {
			log.Print(err)
		}
	})
	return listen(mux).ListenAndServe()
}

func (c *client) call() {
	answer, served, err := c.get()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.begun = c.begun || served; !c.begun {
		log.Printf("not begun: %v", err)
		return
	}
	c.stats.Requests++
	if err == nil {
		c.stats.Answers[answer]++
		return
	}
	c.stats.Failures++
	message := time.Now().Format(time.TimeOnly) + " " + err.Error()
	log.Print(message)
	if len(c.stats.Errors) < 20 {
		c.stats.Errors = append(c.stats.Errors, message)
	}
}

// get asks once; served says whether the app has answered, be it with an error.
func (c *client) get() (text string, served bool, err error) {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, c.url, http.NoBody)
	if err != nil {
		return "", false, err
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return "", false, err
	}
	defer func() { _ = answer.Body.Close() }()
	served = answer.Header.Get(servedBy) != ""
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return "", served, err
	}
	if answer.StatusCode != http.StatusOK {
		return "", served, fmt.Errorf("%s: %s", answer.Status, body)
	}
	return strings.TrimSpace(string(body)), served, nil
}
