package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// servedBy is the header by which an answer is known to be the app's.
const servedBy = "Served-By-Version"

// serve answers requests until SIGTERM, and ends those that it has begun. failure is what it does wrong: "ready" or "live".
func serve(failure string) error {
	var draining atomic.Bool
	probe := func(name string, ok func() bool) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if failure == name || !ok() {
				http.Error(w, "not "+name, http.StatusServiceUnavailable)
				return
			}
			w.WriteHeader(http.StatusOK)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/readyz", probe("ready", func() bool { return !draining.Load() }))
	mux.HandleFunc("/livez", probe("live", func() bool { return true }))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		if _, err := fmt.Fprintf(w, "version %s\n", os.Getenv("VERSION")); err != nil {
			log.Print(err)
		}
	})
	mux.HandleFunc("/call/{name}", callOther)

	server := listen(tagged(mux))
	ended := make(chan error, 1)
	go func() { ended <- server.ListenAndServe() }()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	select {
	case err := <-ended:
		return err
	case <-signals:
	}
	log.Print("draining")
	draining.Store(true)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return err
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	log.Print("drained")
	return nil
}

// tagged puts the header on each answer.
func tagged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(servedBy, os.Getenv("VERSION"))
		next.ServeHTTP(w, r)
	})
}

// callOther calls the address in the variable <name>_URL, and passes the answer on.
func callOther(w http.ResponseWriter, r *http.Request) {
	url := os.Getenv(r.PathValue("name") + "_URL")
	if url == "" {
		http.Error(w, "no variable has this URL", http.StatusNotFound)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer func() { _ = answer.Body.Close() }()
	w.WriteHeader(answer.StatusCode)
	if _, err := io.Copy(w, io.MultiReader(strings.NewReader("passed on: "), answer.Body)); err != nil {
		log.Print(err)
	}
}
