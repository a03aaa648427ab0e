package mail_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"mime"
	"net"
	"net/http/httptest"
	netmail "net/mail"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"helfy/adapters/mail"
	"helfy/app/notification"
	"helfy/domain"
)

const password = "planted mail password"

// server is an SMTP server that keeps what it is sent.
type server struct {
	address string
	roots   *tls.Config
	mu      sync.Mutex
	mails   []string
	to      []string
	refuse  *smtp.SMTPError // of each mail, if it is not nil
	login   string
}

type session struct{ server *server }

// serve starts a server of a kind: starttls, tls or none.
func serve(t *testing.T, security mail.Security) *server {
	t.Helper()
	s := &server{}
	backend := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{s}, nil }))
	backend.Domain, backend.ErrorLog = "localhost", log.New(io.Discard, "", 0)
	// A certificate for 127.0.0.1 and its root.
	certified := httptest.NewUnstartedServer(nil)
	certified.StartTLS()
	pool := x509.NewCertPool()
	pool.AddCert(certified.Certificate())
	s.roots = &tls.Config{RootCAs: pool, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}
	config := &tls.Config{Certificates: certified.TLS.Certificates, MinVersion: tls.VersionTLS12}
	certified.Close()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = listener.Addr().String()
	switch security {
	case mail.StartTLS:
		backend.TLSConfig = config
	case mail.TLS:
		listener = tls.NewListener(listener, config)
	}
	ended := make(chan error, 1)
	go func() { ended <- backend.Serve(listener) }()
	t.Cleanup(func() {
		if err := backend.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s
}

// got returns the mails, who they are for, and who has signed in.
func (s *server) got() (mails, to []string, login string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mails, s.to, s.login
}

// refuseAll answers each mail with a code.
func (s *server) refuseAll(code int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = &smtp.SMTPError{Code: code, Message: "no"}
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, given string) error {
		if username != "helfy" || given != password {
			return smtp.ErrAuthFailed
		}
		s.server.mu.Lock()
		defer s.server.mu.Unlock()
		s.server.login = username
		return nil
	}), nil
}

func (s *session) Mail(string, *smtp.MailOptions) error { return nil }

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.to = append(s.server.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	if s.server.refuse != nil {
		return s.server.refuse
	}
	s.server.mails = append(s.server.mails, string(text))
	return err
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

func carrier(t *testing.T, s *server, security mail.Security, change func(*mail.Config)) mail.Carrier {
	t.Helper()
	config := mail.Config{
		Address: s.address, Security: security, Roots: s.roots, From: "Helfy <helfy@example.com>",
		To: []string{"ops@example.com", "Eve <eve@example.com>"}, Timeout: 5 * time.Second,
	}
	if change != nil {
		change(&config)
	}
	made, err := mail.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// finding is a notification with a name that somebody has chosen badly.
func finding(t *testing.T, username string) notification.Notification {
	t.Helper()
	n, err := notification.OfFinding(domain.Finding{Kind: domain.BadMAC, CommitTs: 1 << 60, Table: "outbox", RowKey: "x", Username: username, UserID: 7}).To(notification.Mail)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestANotificationArrivesAsMail(t *testing.T) {
	for _, security := range []mail.Security{mail.StartTLS, mail.TLS, mail.None} {
		t.Run(string(security), func(t *testing.T) {
			server := serve(t, security)
			sender := carrier(t, server, security, func(config *mail.Config) {
				if security != mail.None {
					config.Username, config.Password = "helfy", domain.NewSecret(password)
				}
			})
			n := finding(t, "zoë\r\nBcc: eve@example.com")
			for range 2 { // it comes again
				if err := sender.Deliver(t.Context(), n); err != nil {
					t.Fatal(err)
				}
			}
			mails, to, login := server.got()
			if len(mails) != 2 || !slices.Equal(to[:2], []string{"ops@example.com", "eve@example.com"}) {
				t.Fatalf("%d mails for %v", len(mails), to)
			}
			if (login == "helfy") != (security != mail.None) {
				t.Errorf("signed in as %q", login)
			}
			for _, text := range mails {
				requireMail(t, text, n)
			}
		})
	}
}

func requireMail(t *testing.T, text string, n notification.Notification) {
	t.Helper()
	message, err := netmail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	header := message.Header
	subject, err := (&mime.WordDecoder{}).DecodeHeader(header.Get("Subject"))
	if err != nil || subject != "Helfy: the audit trail has a finding (bad-mac)" {
		t.Errorf("subject is %q, %v", subject, err)
	}
	if header.Get("Message-ID") != "<"+n.ID+"@example.com>" || header.Get("Bcc") != "" || header.Get("Auto-Submitted") != "auto-generated" {
		t.Errorf("headers are %v", header)
	}
	body, err := io.ReadAll(message.Body)
	if err != nil || !strings.Contains(string(body), n.ID) || strings.Contains(string(body), "\nBcc:") {
		t.Errorf("body is %s, %v", body, err)
	}
}

func TestARefusalIsToldFromTrouble(t *testing.T) {
	server := serve(t, mail.None)
	sender := carrier(t, server, mail.None, nil)
	for code, refused := range map[int]bool{550: true, 554: true, 451: false, 421: false} {
		server.refuseAll(code)
		var failure *notification.Failure
		if err := sender.Deliver(t.Context(), finding(t, "a")); !errors.As(err, &failure) || failure.Refused != refused {
			t.Errorf("%d: got %v", code, err)
		}
	}
}

func TestNoMailGoesWhereItShouldNot(t *testing.T) {
	for name, test := range map[string]struct {
		server, client mail.Security
		change         func(*mail.Config)
	}{
		"the server has no STARTTLS": {mail.None, mail.StartTLS, nil},
		"nobody knows who it is":     {mail.TLS, mail.TLS, func(config *mail.Config) { config.Roots = nil }},
		"the password is wrong": {mail.TLS, mail.TLS, func(config *mail.Config) {
			config.Username, config.Password = "helfy", domain.NewSecret("wrong mail password")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			server := serve(t, test.server)
			err := carrier(t, server, test.client, test.change).Deliver(t.Context(), finding(t, "a"))
			mails, _, _ := server.got()
			if err == nil || len(mails) != 0 || strings.Contains(err.Error(), "mail password") {
				t.Errorf("got %v, %d mails", err, len(mails))
			}
		})
	}
}

func TestASilentServerIsGivenUp(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
	})
	sender := carrier(t, &server{address: listener.Addr().String()}, mail.None, func(config *mail.Config) { config.Timeout = 50 * time.Millisecond })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := sender.Deliver(ctx, finding(t, "a")); err == nil || ctx.Err() != nil {
		t.Errorf("got %v, %v", err, ctx.Err())
	}
}

func TestAConfigurationThatCannotBeUsed(t *testing.T) {
	for name, change := range map[string]func(*mail.Config){
		"no port":              func(c *mail.Config) { c.Address = "localhost" },
		"a port of letters":    func(c *mail.Config) { c.Address = "localhost:smtp" },
		"no such security":     func(c *mail.Config) { c.Security = "ssl" },
		"no sender":            func(c *mail.Config) { c.From = "" },
		"a sender of two":      func(c *mail.Config) { c.From = "a@example.com\r\nBcc: b@example.com" },
		"no receiver":          func(c *mail.Config) { c.To = nil },
		"a bad receiver":       func(c *mail.Config) { c.To = []string{"a@example.com", "b"} },
		"a password in clear":  func(c *mail.Config) { c.Security, c.Username = mail.None, "helfy" },
		"a port out of bounds": func(c *mail.Config) { c.Address = "localhost:99999" },
	} {
		config := mail.Config{Address: "localhost:25", Security: mail.StartTLS, From: "a@example.com", To: []string{"b@example.com"}, Timeout: time.Second}
		if _, err := mail.New(config); err != nil {
			t.Fatal(err)
		}
		change(&config)
		if _, err := mail.New(config); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
