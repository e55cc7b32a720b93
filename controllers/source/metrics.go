package source

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var (
	polls = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "towpath_source_polls_total",
		Help: "Questions to repositories of Components; result is Answered, the reason why one failed, or Error where the cluster did not answer.",
	}, []string{"result"})
	deliveries = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "towpath_source_webhooks_total",
		Help: "Webhooks of repositories; result is Taken, Ignored, Refused, Limited, TooLarge, Malformed or Failed.",
	}, []string{"result"})
)

func init() { metrics.Registry.MustRegister(polls, deliveries) }

// count counts a question.
func count(found *finding, err error) {
	switch {
	case err != nil:
		polls.WithLabelValues("Error").Inc()
	case found.failed:
		polls.WithLabelValues(string(found.reason)).Inc()
	case found.soon == 0:
		polls.WithLabelValues("Answered").Inc()
	}
}

// result is how an answer is counted.
func result(status int, text string) string {
	switch status {
	case http.StatusAccepted:
		if text == answerTaken {
			return "Taken"
		}
		return "Ignored"
	case http.StatusUnauthorized:
		return "Refused"
	case http.StatusTooManyRequests:
		return "Limited"
	case http.StatusRequestEntityTooLarge:
		return "TooLarge"
	case http.StatusBadRequest, http.StatusUnsupportedMediaType:
		return "Malformed"
	default:
		return "Failed"
	}
}
