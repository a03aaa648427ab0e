package mail_test

import (
	"context"
	"errors"
	"io"
	"mime"
	"net"
	netmail "net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"helfy/adapters/mail"
	"helfy/app/notification"
	"helfy/domain"
	"helfy/internal/mailserver"
)

// protections are those of a server by what the carrier expects.
var protections = map[mail.Security]mailserver.Protection{
	mail.StartTLS: mailserver.StartTLS, mail.TLS: mailserver.TLS, mail.None: mailserver.None,
}

func carrier(t *testing.T, s *mailserver.Server, security mail.Security, change func(*mail.Config)) mail.Carrier {
	t.Helper()
	config := mail.Config{
		Address: s.Address, Security: security, Roots: s.Roots, From: "Helfy <helfy@example.com>",
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
			server := mailserver.Serve(t, protections[security])
			sender := carrier(t, server, security, func(config *mail.Config) {
				if security != mail.None {
					config.Username, config.Password = mailserver.Username, domain.NewSecret(mailserver.Password)
				}
			})
			n := finding(t, "zoë\r\nBcc: eve@example.com")
			for range 2 { // it comes again
				if err := sender.Deliver(t.Context(), n); err != nil {
					t.Fatal(err)
				}
			}
			got := server.Got()
			if len(got.Mails) != 2 || !slices.Equal(got.To[:2], []string{"ops@example.com", "eve@example.com"}) {
				t.Fatalf("%d mails for %v", len(got.Mails), got.To)
			}
			if (got.Login == mailserver.Username) != (security != mail.None) {
				t.Errorf("signed in as %q", got.Login)
			}
			for _, text := range got.Mails {
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
	server := mailserver.Serve(t, mailserver.None)
	sender := carrier(t, server, mail.None, nil)
	for code, refused := range map[int]bool{550: true, 554: true, 451: false, 421: false} {
		server.Refuse(code)
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
			config.Username, config.Password = mailserver.Username, domain.NewSecret("wrong mail password")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			server := mailserver.Serve(t, protections[test.server])
			err := carrier(t, server, test.client, test.change).Deliver(t.Context(), finding(t, "a"))
			mails := server.Got().Mails
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
	sender := carrier(t, &mailserver.Server{Address: listener.Addr().String()}, mail.None, func(config *mail.Config) { config.Timeout = 50 * time.Millisecond })
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
