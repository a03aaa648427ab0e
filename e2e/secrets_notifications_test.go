package e2e

import (
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"

	"github.com/google/uuid"

	"helfy/domain"
	"helfy/internal/stack"
)

// notified is what a receiver of notifications was sent.
type notified struct {
	mu   sync.Mutex
	text []string
}

// notify configures notifications with secrets. The webhook's receiver fails
// at first, and there is no mail server, so that there is trouble to tell of.
func (p *planter) notify() *notified {
	inAddress, key := uuid.NewString(), base64.StdEncoding.EncodeToString([]byte(uuid.NewString()))
	p.secrets["hook's address"], p.secrets["hook's secret"] = inAddress, key
	p.config.SMTPPassword = domain.NewSecret(p.password("of the mail server"))
	p.config.SMTPAddress, p.config.SMTPUsername = "127.0.0.1:"+strconv.Itoa(stack.FreePort(p.t)), "helfy"
	p.config.MailFrom, p.config.MailTo = "helfy@example.com", []string{"ops@example.com"}
	var sent notified
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			p.t.Error(err)
		}
		sent.mu.Lock()
		defer sent.mu.Unlock()
		sent.text = append(sent.text, string(body))
		if len(sent.text) == 1 {
			panic(http.ErrAbortHandler) // which the sender tells of
		}
	}))
	p.t.Cleanup(server.Close)
	p.config.WebhookURL = domain.NewSecret(server.URL + "/" + inAddress)
	p.config.WebhookSecrets = domain.NewSecret("whsec_" + key)
	p.config.WebhookAllowPrivate = true
	return &sent
}

// requireNotified signs in from a new place, waits until that is told of and
// remembers what was sent.
func (p *planter) requireNotified(sent *notified) {
	p.t.Helper()
	body := strings.NewReader(credentials(p.t, "admin", p.secrets["password first"]))
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.api.Base+"/api/login", body)
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", marker)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil || response.StatusCode != http.StatusOK {
		p.t.Fatal(response.Status, err)
	}
	stack.Eventually(p.t, patience, func() error {
		sent.mu.Lock()
		defer sent.mu.Unlock()
		if len(sent.text) < 2 {
			return errors.New("nothing was sent again")
		}
		p.remember("notifications", []byte(strings.Join(sent.text, "\n")))
		return nil
	})
	if !strings.Contains(p.run("", "notifications", "list", "--json"), marker) {
		p.t.Errorf("the list of notifications does not name %s", marker)
	}
	p.run("", "notifications", "list")
	p.run("", "notifications", "retry", "--all")
}
