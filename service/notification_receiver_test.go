package service_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

const webhookKey = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

// told is a notification that a receiver got.
type told struct {
	id   string // of the header
	Type string
	ID   string
	Data struct {
		EventID, Username, IP, Network, Device, Kind, CommitTs, LockedNetwork string
		UserID                                                                int64
		New                                                                   []string
		Failures                                                              int
		Until                                                                 time.Time
	}
}

// receiver is an HTTP server that is told of things.
type receiver struct {
	t      *testing.T
	URL    string
	mu     sync.Mutex
	got    []told
	answer func(got int) int // status of the answer to that request
}

// receive configures notifications to a receiver.
func receive(t *testing.T, config *service.Config) *receiver {
	t.Helper()
	r := &receiver{t: t, answer: func(int) int { return http.StatusNoContent }}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.URL = server.URL + "/hook"
	config.WebhookURL = domain.NewSecret(r.URL)
	config.WebhookSecrets = domain.NewSecret("whsec_" + webhookKey)
	config.WebhookAllowPrivate = true
	config.NotificationRetryFirst = 10 * time.Millisecond
	config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	return r
}

// ServeHTTP implements http.Handler.
func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		r.t.Error(err)
	}
	r.requireSigned(request.Header, body)
	one := told{id: request.Header.Get("webhook-id")}
	if err := json.Unmarshal(body, &one); err != nil || one.ID != one.id {
		r.t.Errorf("%s: %s, %v", one.id, body, err)
	}
	r.mu.Lock()
	r.got = append(r.got, one)
	status := r.answer(len(r.got))
	r.mu.Unlock()
	w.WriteHeader(status)
}

func (r *receiver) requireSigned(header http.Header, body []byte) {
	key, err := base64.StdEncoding.DecodeString(webhookKey)
	if err != nil {
		r.t.Error(err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(header.Get("webhook-id") + "." + header.Get("webhook-timestamp") + "." + string(body)))
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); header.Get("webhook-signature") != want {
		r.t.Errorf("signature is %q, want %q", header.Get("webhook-signature"), want)
	}
}

func (r *receiver) all() []told {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// eventually waits until so many requests have come and returns them.
func (r *receiver) eventually(want int) []told {
	r.t.Helper()
	stack.Eventually(r.t, wait, func() error {
		if got := r.all(); len(got) < want {
			return fmt.Errorf("%d notifications came, want %d: %+v", len(got), want, got)
		}
		return nil
	})
	return r.all()
}
