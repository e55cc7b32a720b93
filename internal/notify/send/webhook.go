package send

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/towpath-dev/towpath/internal/notify"
)

// What a webhook gets beside the event, as Standard Webhooks names it.
const (
	headerID        = "webhook-id"
	headerTimestamp = "webhook-timestamp"
	headerSignature = "webhook-signature"
)

// cloudEvents is one event for each alert, in structured mode.
func cloudEvents(alerts []notify.Alert, source string, keys [][]byte) ([]message, error) {
	messages := make([]message, 0, len(alerts))
	for _, a := range alerts {
		id, e := a.ID(), event.New()
		e.SetID(id)
		e.SetSource(strings.TrimSuffix(source, "/") + "/teams/" + url.PathEscape(a.Team))
		e.SetType("dev.towpath.alert." + strings.ToLower(string(a.Status)))
		e.SetSubject(strings.Trim(a.Namespace+"/"+a.Name, "/"))
		e.SetTime(a.StartsAt)
		if a.Status == notify.Resolved {
			e.SetTime(a.EndsAt)
		}
		if err := e.SetData(event.ApplicationJSON, a); err != nil {
			return nil, err
		}
		if err := e.Validate(); err != nil {
			return nil, err
		}
		body, err := json.Marshal(e)
		if err != nil {
			return nil, err
		}
		messages = append(messages, message{
			alerts: 1, contentType: event.ApplicationCloudEventsJSON, body: body,
			sign: func(header http.Header, now time.Time) { sign(header, id, body, keys, now) },
		})
	}
	return messages, nil
}

// sign adds the headers of Standard Webhooks. What is signed is <webhook-id>.<webhook-timestamp>.<body>; there is one signature
// for each key. The time is that of the attempt, the ID that of the alert.
func sign(header http.Header, id string, body []byte, keys [][]byte, now time.Time) {
	timestamp := strconv.FormatInt(now.Unix(), 10)
	var signatures []string
	for _, key := range keys {
		mac := hmac.New(sha256.New, key)
		_, _ = mac.Write([]byte(id + "." + timestamp + "."))
		_, _ = mac.Write(body)
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	header.Set(headerID, id)
	header.Set(headerTimestamp, timestamp)
	header.Set(headerSignature, strings.Join(signatures, " "))
}
