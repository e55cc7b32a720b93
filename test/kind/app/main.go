// Command app is what the kind suite runs in its pods: a small server, job, worker, client and receiver of alerts in one static binary. An
// image's environment says which version it is, and in which way it fails.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"time"
)

func main() {
	log.SetFlags(log.Ltime | log.Lmicroseconds)
	mode := "serve"
	if len(os.Args) > 1 {
		mode = os.Args[1]
	}
	log.Printf("version %s, %s", os.Getenv("VERSION"), mode)
	failure := os.Getenv("FAIL")
	switch failure {
	case "crash":
		log.Print("cannot reach the database")
		os.Exit(3)
	case "memory":
		eat()
	}
	var err error
	switch mode {
	case "serve":
		err = serve(failure)
	case "job":
		log.Print("the job is done")
	case "worker":
		err = work()
	case "receive":
		err = receive()
	case "client":
		err = newClient(os.Args[2:]).run()
	default:
		err = fmt.Errorf("no such mode: %s", mode)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// eat takes more and more memory, and touches it, until the kernel ends it.
func eat() {
	var held [][]byte
	for {
		block := make([]byte, 1<<20)
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		held = append(held, block)
		if len(held)%16 == 0 {
			log.Printf("%d MiB", len(held))
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// work beats once a second until it is asked to end, and answers probes meanwhile.
func work() error {
	go func() {
		for {
			log.Print("worked")
			time.Sleep(time.Second)
		}
	}()
	return serve("")
}

// address is where to listen.
func address() string {
	if port := os.Getenv("PORT"); port != "" {
		return ":" + port
	}
	return ":8080"
}

// listen serves a handler. No connection is bounded by less than what a test may take.
func listen(handler http.Handler) *http.Server {
	return &http.Server{Addr: address(), Handler: handler, ReadHeaderTimeout: 10 * time.Second}
}
