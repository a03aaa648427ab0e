package webhook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"helfy/adapters/webhook"
	"helfy/app/notification"
	"helfy/domain"
)

var secrets = []domain.Secret{
	domain.NewSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
	domain.NewSecret("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
}

var sent = notification.Notification{ID: "0b3f8f3e-98c2-5dcb-a6f3-52bb4a62cc0c", Channel: notification.Webhook, Body: []byte(`{"a":"ü"}`)}

func newCarrier(t *testing.T, config webhook.Config) webhook.Carrier {
	t.Helper()
	if config.Secrets == nil {
		config.Secrets = secrets
	}
	carrier, err := webhook.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return carrier
}

// receive runs a receiver and returns its address.
func receive(t *testing.T, handler http.HandlerFunc) domain.Secret {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return domain.NewSecret(server.URL + "/hook/path-secret")
}

// verifies is the receiver's side, as the specification has it.
func verifies(secret domain.Secret, header http.Header, body []byte) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret.Reveal(), "whsec_"))
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(header.Get("webhook-id") + "." + header.Get("webhook-timestamp") + "." + string(body)))
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for signature := range strings.SplitSeq(header.Get("webhook-signature"), " ") {
		if hmac.Equal([]byte(signature), []byte(want)) {
			return true
		}
	}
	return false
}

func TestANotificationIsSignedByEachSecret(t *testing.T) {
	var header http.Header
	var body []byte
	address := receive(t, func(w http.ResponseWriter, r *http.Request) {
		header = r.Header
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusNoContent)
	})
	if err := newCarrier(t, webhook.Config{URL: address, AllowPrivate: true}).Deliver(t.Context(), sent); err != nil {
		t.Fatal(err)
	}
	if string(body) != string(sent.Body) || header.Get("webhook-id") != sent.ID || header.Get("Content-Type") != "application/json" {
		t.Errorf("got %s, %v", body, header)
	}
	for i, secret := range secrets {
		if !verifies(secret, header, body) {
			t.Errorf("secret %d does not verify %v", i, header)
		}
	}
	if verifies(secrets[0], header, append(body, ' ')) {
		t.Error("another body verifies")
	}
	var seconds int64
	if _, err := fmt.Sscan(header.Get("webhook-timestamp"), &seconds); err != nil || time.Since(time.Unix(seconds, 0)).Abs() > time.Minute {
		t.Errorf("the time is %q, %v", header.Get("webhook-timestamp"), err)
	}
}

func TestWhatAnAnswerMeans(t *testing.T) {
	for name, test := range map[string]struct {
		status     int
		retryAfter string
		want       *notification.Failure
	}{
		"ok":                   {200, "", nil},
		"accepted":             {202, "", nil},
		"redirect":             {302, "", &notification.Failure{Refused: true}},
		"bad request":          {400, "", &notification.Failure{Refused: true}},
		"gone":                 {410, "", &notification.Failure{Gone: true}},
		"too many requests":    {429, "7", &notification.Failure{RetryAfter: 7 * time.Second}},
		"request timeout":      {408, "", &notification.Failure{}},
		"error":                {500, "", &notification.Failure{}},
		"unavailable":          {503, "120", &notification.Failure{RetryAfter: 2 * time.Minute}},
		"nonsense":             {503, "soon", &notification.Failure{}},
		"less than nothing":    {503, "-1", &notification.Failure{}},
		"a date that is past":  {503, "Mon, 02 Jan 2006 15:04:05 GMT", &notification.Failure{}},
		"a number too great":   {503, "99999999999999999999", &notification.Failure{}},
		"a number that is big": {503, "2147483647", &notification.Failure{RetryAfter: 2147483647 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			var hits atomic.Int32
			address := receive(t, func(w http.ResponseWriter, _ *http.Request) {
				hits.Add(1)
				w.Header().Set("Location", "/elsewhere")
				if test.retryAfter != "" {
					w.Header().Set("Retry-After", test.retryAfter)
				}
				w.WriteHeader(test.status)
			})
			err := newCarrier(t, webhook.Config{URL: address, AllowPrivate: true}).Deliver(t.Context(), sent)
			if hits.Load() != 1 {
				t.Errorf("%d requests, want 1", hits.Load())
			}
			var got *notification.Failure
			if test.want == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.As(err, &got) || got.Refused != test.want.Refused || got.Gone != test.want.Gone || got.RetryAfter != test.want.RetryAfter {
				t.Fatalf("got %#v, want %+v", err, test.want)
			}
			if !strings.Contains(err.Error(), fmt.Sprint(test.status)) || strings.Contains(err.Error(), "secret") {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func TestAddressesThatAreNotPublicAreRefused(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	var connections atomic.Int32
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
	})
	port := listener.Addr().(*net.TCPAddr).Port
	for _, host := range []string{
		"127.0.0.1", "127.8.9.10", "localhost", "[::1]", "0.0.0.0", "[::]", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1",
		"169.254.169.254", "100.64.0.1", "198.18.0.1", "192.0.2.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
		"[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "[fe80::1]", "[fc00::1]", "[fd12::1]", "[ff02::1]",
		"[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[2001:db8::1]",
		"2130706433", "0x7f000001", "127.1",
	} {
		t.Run(host, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			carrier := newCarrier(t, webhook.Config{URL: domain.NewSecret(fmt.Sprintf("https://%s:%d/path-secret", host, port))})
			err := carrier.Deliver(ctx, sent)
			var failure *notification.Failure
			if !errors.As(err, &failure) || strings.Contains(err.Error(), "secret") {
				t.Fatalf("got %v", err)
			}
			// What no resolver knows is no address at all.
			var unknown *net.DNSError
			if !failure.Refused && !errors.As(err, &unknown) {
				t.Errorf("got %#v, want a refusal", err)
			}
		})
	}
	if connections.Load() != 0 {
		t.Errorf("%d connections were made", connections.Load())
	}
}

func TestAProxyOfTheEnvironmentIsNotUsed(t *testing.T) {
	var proxied atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { proxied.Add(1) }))
	t.Cleanup(proxy.Close)
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("HTTPS_PROXY", proxy.URL)
	carrier := newCarrier(t, webhook.Config{URL: domain.NewSecret("http://host.invalid/"), AllowPrivate: true})
	if err := carrier.Deliver(t.Context(), sent); err == nil || proxied.Load() != 0 {
		t.Errorf("got %v, and %d requests came to the proxy", err, proxied.Load())
	}
}

func TestTheReceiversCertificateMustBeGood(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	server.Config.ErrorLog = nil
	address := domain.NewSecret(server.URL)
	if err := newCarrier(t, webhook.Config{URL: address, AllowPrivate: true}).Deliver(t.Context(), sent); err == nil {
		t.Error("a certificate that nobody has signed is taken")
	}
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	trusting := webhook.Config{URL: address, AllowPrivate: true, TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	if err := newCarrier(t, trusting).Deliver(t.Context(), sent); err != nil {
		t.Error(err)
	}
}

func TestASlowReceiverIsGivenUp(t *testing.T) {
	release := make(chan struct{})
	address := receive(t, func(http.ResponseWriter, *http.Request) { <-release })
	t.Cleanup(func() { close(release) })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := newCarrier(t, webhook.Config{URL: address, AllowPrivate: true}).Deliver(ctx, sent); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestAConfigurationThatCannotBeUsed(t *testing.T) {
	for name, config := range map[string]webhook.Config{
		"plain HTTP":      {URL: domain.NewSecret("http://example.com/path-secret")},
		"no URL":          {URL: domain.NewSecret("example.com/path-secret")},
		"a broken URL":    {URL: domain.NewSecret("https://exa mple.com:x/path-secret")},
		"another scheme":  {URL: domain.NewSecret("file:///path-secret"), AllowPrivate: true},
		"no secret":       {URL: domain.NewSecret("https://example.com/"), Secrets: []domain.Secret{}},
		"a short secret":  {URL: domain.NewSecret("https://example.com/"), Secrets: []domain.Secret{domain.NewSecret("whsec_c2VjcmV0")}},
		"another prefix":  {URL: domain.NewSecret("https://example.com/"), Secrets: []domain.Secret{domain.NewSecret("secret" + secrets[0].Reveal()[6:])}},
		"not base64":      {URL: domain.NewSecret("https://example.com/"), Secrets: []domain.Secret{domain.NewSecret("whsec_secret!" + strings.Repeat("a", 40))}},
		"the second only": {URL: domain.NewSecret("https://example.com/"), Secrets: []domain.Secret{secrets[0], domain.NewSecret("path-secret")}},
	} {
		if config.Secrets == nil {
			config.Secrets = secrets
		}
		if _, err := webhook.New(config); err == nil || strings.Contains(err.Error(), "path-secret") || strings.Contains(err.Error(), "c2VjcmV0") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestSecretsAreSeparatedByCommasOrSpaces(t *testing.T) {
	got := webhook.ParseSecrets(domain.NewSecret(" a, b,c "))
	if len(got) != 3 || got[0].Reveal() != "a" || got[1].Reveal() != "b" || got[2].Reveal() != "c" {
		t.Errorf("got %d", len(got))
	}
}
