package send

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"unicode"

	"github.com/shopspring/decimal"

	"github.com/towpath-dev/towpath/internal/cost"
	"github.com/towpath-dev/towpath/internal/notify"
)

// What Slack takes: a header of 150 characters, sections of 3,000, a text of 40,000. Of each we stay well below.
const (
	maxHeader, maxTitle, maxText = 140, 300, 1500
)

// maxPlaces is how many places before or after the point an exponent may stand for where an amount is rounded.
const maxPlaces = 32

type slackText struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

type slackBlock struct {
	Type string    `json:"type"`
	Text slackText `json:"text"`
}

// slackBody is a message. Slack shows the blocks, and the text where there is no room for them; what takes Slack's messages
// and knows no blocks shows the text. So all stands in both.
type slackBody struct {
	Text   string       `json:"text"`
	Blocks []slackBlock `json:"blocks"`
}

// slackMessage is one message of all alerts.
func slackMessage(alerts []notify.Alert) ([]message, error) {
	if len(alerts) == 0 {
		return nil, nil
	}
	title := fmt.Sprintf("Cost of team %s", alerts[0].Team)
	if len(alerts) > 1 {
		title += fmt.Sprintf(": %d alerts", len(alerts))
	}
	header := slackBlock{Type: "header", Text: slackText{Type: "plain_text", Text: cut(clean(title), maxHeader)}}
	body := slackBody{Text: escape(title, maxHeader), Blocks: []slackBlock{header}}
	for _, a := range alerts {
		text := slackAlert(a)
		body.Text += "\n\n" + text
		body.Blocks = append(body.Blocks, slackBlock{Type: "section", Text: slackText{Type: "mrkdwn", Text: text}})
	}
	var raw bytes.Buffer
	encoder := json.NewEncoder(&raw)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(body)
	return []message{{alerts: len(alerts), contentType: "application/json", body: raw.Bytes()}}, err
}

func slackAlert(a notify.Alert) string {
	sign := map[notify.Severity]string{notify.Info: "🔵", notify.Warning: "🟠", notify.Critical: "🔴"}[a.Severity]
	title := escape(a.Title, maxTitle)
	if a.Status == notify.Resolved {
		sign, title = "🟢", "Resolved: "+title
	}
	if link := webLink(a.Link); link != "" {
		title = "<" + link + "|" + title + ">"
	}
	lines := []string{strings.TrimSpace(sign + " *" + title + "*")}
	if a.Text != "" {
		lines = append(lines, escape(a.Text, maxText))
	}
	var facts []string
	for _, fact := range []struct{ name, value string }{
		{"spent", money(a.Spent, a.Currency)}, {"forecast", money(a.Forecast, a.Currency)}, {"limit", money(a.Limit, a.Currency)},
		{"threshold", a.Threshold}, {"of", string(a.Basis)}, {"period", a.Period}, {"budget", a.Name},
	} {
		if fact.value != "" {
			facts = append(facts, fact.name+" "+escape(fact.value, 100))
		}
	}
	return strings.Join(append(lines, strings.Join(facts, " · ")), "\n")
}

// money writes an amount as people of its currency do: 3836.3095 of USD is 3836.31 USD. What reads alerts by program gets the
// amounts as they are. What is no amount, or one of absurd length, is shown as it came.
func money(amount, currency string) string {
	if amount == "" {
		return ""
	}
	if value, err := decimal.NewFromString(amount); err == nil && value.Exponent() >= -maxPlaces && value.Exponent() <= maxPlaces {
		amount = value.StringFixed(cost.Digits(currency))
	}
	return strings.TrimSpace(amount + " " + currency)
}

// escape makes a text that means nothing but itself in Slack's markup, and mentions nobody: also not where others read Slack's
// messages, and take a bare @channel for a call to everybody.
func escape(text string, most int) string {
	var out strings.Builder
	for _, r := range clean(text) {
		piece := string(r)
		switch r {
		case '&':
			piece = "&amp;"
		case '<':
			piece = "&lt;"
		case '>':
			piece = "&gt;"
		case '@':
			piece = "@\u200b"
		}
		if out.Len()+len(piece) > most {
			return out.String() + "…"
		}
		out.WriteString(piece)
	}
	return out.String()
}

// clean leaves out what is not to be seen, or turns around what is.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' || unicode.Is(unicode.Bidi_Control, r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, text)
}

func cut(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

// webLink is a link as it may stand in a message; empty for what is none.
func webLink(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		return ""
	}
	link := strings.NewReplacer("|", "%7C", "<", "%3C", ">", "%3E").Replace(u.String())
	if len(link) > 1000 {
		return ""
	}
	return link
}
