package send_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"sigs.k8s.io/yaml"

	"github.com/towpath-dev/towpath/internal/notify"
	"github.com/towpath-dev/towpath/internal/notify/send"
	"github.com/towpath-dev/towpath/internal/outbound"
	"github.com/towpath-dev/towpath/internal/outbound/dnstest"
)

func TestDeliver_ToATargetThatCannotBe(t *testing.T) {
	dns, err := dnstest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dns.Close)
	for name, addr := range map[string]string{
		"loop.test": "127.0.0.1", "six.test": "::1", "private.test": "10.96.0.1", "meta.test": "169.254.169.254", "mapped.test": "::ffff:127.0.0.1",
	} {
		dns.Set(name, []netip.Addr{netip.MustParseAddr(addr)})
	}
	const inside = ": use a public one, or ask the platform team to allow the host"
	slack := func(url string) send.Target { return send.Target{Kind: notify.Slack, URL: send.Secret(url)} }
	hook := func(keys ...send.Secret) send.Target {
		return send.Target{Kind: notify.Webhook, URL: "https://hooks.example/" + canary, SigningKeys: keys}
	}
	for name, tc := range map[string]struct {
		target send.Target
		err    string
	}{
		"no URL":                       {slack(""), "target ops: its URL must begin with https:// or http://"},
		"a URL that is none":           {slack("https://hooks.example/%" + canary), "target ops: it must be a URL such as https://host/path"},
		"a password":                   {slack("https://user:" + canary + "@hooks.example"), "target ops: its URL must have no user and no password"},
		"another scheme":               {slack("gopher://" + canary), "target ops: its URL must begin with https:// or http://"},
		"too long":                     {slack("https://hooks.example/" + strings.Repeat(canary, 200)), "target ops: its URL must not be longer than 2048 bytes"},
		"loopback":                     {slack("http://127.0.0.1/" + canary), "target ops at 127.0.0.1: leads to a loopback address" + inside},
		"loopback as a number":         {slack("http://2130706433/" + canary), "target ops: its host must be a name in ASCII, or an address in its usual form"},
		"loopback by IPv6":             {slack("http://[::ffff:127.0.0.1]:80/" + canary), "target ops at 127.0.0.1: leads to a loopback address" + inside},
		"metadata":                     {slack("http://169.254.169.254/latest/" + canary), "target ops at 169.254.169.254: leads to an address that is never reached: use a public one"},
		"a name of loopback":           {slack("http://loop.test/" + canary), "target ops at loop.test: leads to a loopback address" + inside},
		"a name of loopback by IPv6":   {slack("http://six.test/" + canary), "target ops at six.test: leads to a loopback address" + inside},
		"a name of both":               {slack("http://mapped.test/" + canary), "target ops at mapped.test: leads to a loopback address" + inside},
		"a name of a service":          {slack("https://private.test/" + canary), "target ops at private.test: leads to a private address" + inside},
		"a name of metadata":           {slack("http://meta.test/" + canary), "target ops at meta.test: leads to an address that is never reached: use a public one"},
		"no name":                      {slack("http://nowhere.test/" + canary), "target ops at nowhere.test: its name cannot be resolved"},
		"no kind":                      {send.Target{URL: "https://hooks.example/" + canary}, "target ops at hooks.example: its kind must be Slack, Alertmanager or Webhook"},
		"no key":                       {hook(), "target ops at hooks.example: a webhook must have 1 to 3 signing keys"},
		"too many keys":                {hook(key, key, key, key), "target ops at hooks.example: a webhook must have 1 to 3 signing keys"},
		"a key that is none":           {hook(key, canary), "target ops at hooks.example: its signing keys must be whsec_ and 24 to 64 bytes in base64"},
		"a short key":                  {hook("whsec_c2hvcnQ="), "target ops at hooks.example: its signing keys must be whsec_ and 24 to 64 bytes in base64"},
		"a token with a header in it":  {send.Target{Kind: notify.Alertmanager, URL: "https://am.example", Bearer: canary + "\r\nA: b"}, "target ops at am.example: its bearer token must be printable ASCII without spaces"},
		"a user without a password":    {send.Target{Kind: notify.Alertmanager, URL: "https://am.example", Username: canary}, "target ops at am.example: it must have both a user name without a colon and a password, or neither"},
		"a user with a colon":          {send.Target{Kind: notify.Alertmanager, URL: "https://am.example", Username: canary + ":", Password: canary}, "target ops at am.example: it must have both a user name without a colon and a password, or neither"},
		"a user and a token":           {send.Target{Kind: notify.Alertmanager, URL: "https://am.example", Username: canary, Password: canary, Bearer: canary}, "target ops at am.example: it must have a bearer token or a user name, not both"},
		"authorities that are nothing": {send.Target{Kind: notify.Alertmanager, URL: "https://am.example", CA: []byte(canary)}, "target ops at am.example: its CA bundle must be certificates in PEM"},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := sender(t, func(o *send.Options) { o.Rules = outbound.Rules{}.WithResolver(dns.Resolver()) })
			tc.target.Name, tc.target.Key = "ops", "ops"
			result, err := s.Deliver(t.Context(), tc.target, []notify.Alert{alert("80%"), alert("90%")})
			if err == nil || err.Error() != tc.err {
				t.Errorf("it says %v, want %s", err, tc.err)
			}
			if lost := name == "no name"; result.Delivered != 0 || result.Failed != 2 || (result.Refusal == "") != lost {
				t.Errorf("it is %+v", result)
			}
			silent(t, err)
		})
	}
}

func TestDeliver_ToWhomNobodyVouchesFor(t *testing.T) {
	server := receive(t, nil)
	s, _ := sender(t, nil)
	target := server.target(notify.Slack)
	target.CA = nil
	if result, err := s.Deliver(t.Context(), target, []notify.Alert{alert("80%")}); result != (notify.Result{Failed: 1}) || err == nil || !strings.Contains(err.Error(), "give its authority as CA") {
		t.Errorf("it is %+v, %v", result, err)
	}
	dns, err := dnstest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dns.Close)
	dns.Set("else.test", []netip.Addr{netip.MustParseAddr("127.0.0.1")})
	rules, err := outbound.NewRules("else.test")
	if err != nil {
		t.Fatal(err)
	}
	s, _ = sender(t, func(o *send.Options) { o.Rules = rules.WithResolver(dns.Resolver()) })
	target = server.target(notify.Slack)
	target.URL = send.Secret(strings.Replace(string(target.URL), "127.0.0.1", "else.test", 1))
	if result, err := s.Deliver(t.Context(), target, []notify.Alert{alert("80%")}); result != (notify.Result{Failed: 1}) || err == nil || !strings.Contains(err.Error(), "is for another host") {
		t.Errorf("it is %+v, %v", result, err)
	}
	if len(server.got()) != 0 {
		t.Error("it got something")
	}
}

func TestATargetCanBeShown(t *testing.T) {
	target := send.Target{Name: "ops", URL: "https://hooks.example/" + canary, SigningKeys: []send.Secret{canary}, Bearer: canary, Username: "ops", Password: canary}
	var logs bytes.Buffer
	slog.New(slog.NewTextHandler(&logs, nil)).Info("a", "target", target, "url", target.URL)
	slog.New(slog.NewJSONHandler(&logs, nil)).Info("a", "target", target, "url", target.URL)
	zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(&logs), zap.InfoLevel)).
		Info("a", zap.Any("target", target), zap.Any("url", target.URL))
	asJSON, err := json.Marshal(target)
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal(&target)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		fmt.Sprint(target), fmt.Sprintf("%+v", target), fmt.Sprintf("%#v", target), fmt.Sprintf("%s", &target), fmt.Sprintf("%q", target),
		fmt.Sprintf("%v %q %x", target.URL, target.URL, target.SigningKeys), logs.String(), string(asJSON), string(asYAML),
	} {
		if strings.Contains(text, canary) || strings.Contains(text, fmt.Sprintf("%x", canary)) || strings.Contains(text, "hooks.example") {
			t.Errorf("it shows %s", text)
		}
	}
}
