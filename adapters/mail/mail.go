// Package mail carries notifications to people by SMTP.
package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"helfy/app/notification"
	"helfy/domain"
)

// Security says how a connection is protected.
type Security string

// The kinds of protection. None is for a server on the same host.
const (
	StartTLS Security = "starttls"
	TLS      Security = "tls"
	None     Security = "none"
)

// Steps is how many there are in a try: to connect, to say hello and who it is,
// and to send.
const Steps = 3

// Config says where mail goes.
type Config struct {
	Address  string // host:port
	Security Security
	// Username and Password are used if they are not empty, which needs
	// protection.
	Username string
	Password domain.Secret
	From     string
	To       []string
	// Timeout bounds each of the Steps of a try.
	Timeout time.Duration
	// Roots is used instead of the system's roots if it is not nil.
	Roots *tls.Config
}

// Carrier implements notification.Carrier. Each mail has a connection of its
// own. It is safe for concurrent use.
type Carrier struct {
	host    string
	options []gomail.Option
	from    string
	to      []string
	domain  string // of From
}

var _ notification.Carrier = Carrier{}

// New returns a carrier. Its error says what of the configuration is wrong,
// and names no secret.
func New(config Config) (Carrier, error) {
	host, port, err := net.SplitHostPort(config.Address)
	if err != nil {
		return Carrier{}, fmt.Errorf("%q is not host:port", config.Address)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return Carrier{}, fmt.Errorf("%q is no port", port)
	}
	from, err := netmail.ParseAddress(config.From)
	if err != nil {
		return Carrier{}, fmt.Errorf("sender %q: %w", config.From, err)
	}
	if len(config.To) == 0 {
		return Carrier{}, errors.New("want a receiver")
	}
	for _, to := range config.To {
		if _, err := netmail.ParseAddress(to); err != nil {
			return Carrier{}, fmt.Errorf("receiver %q: %w", to, err)
		}
	}
	options := []gomail.Option{gomail.WithPort(number), gomail.WithTimeout(config.Timeout)}
	switch config.Security {
	case StartTLS:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	case TLS:
		options = append(options, gomail.WithSSL())
	case None:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		return Carrier{}, fmt.Errorf("want starttls, tls or none, got %q", config.Security)
	}
	if config.Roots != nil {
		options = append(options, gomail.WithTLSConfig(config.Roots))
	}
	if config.Username != "" {
		if config.Security == None {
			return Carrier{}, errors.New("a password must not be sent without TLS")
		}
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover),
			gomail.WithUsername(config.Username), gomail.WithPassword(config.Password.Reveal()))
	}
	carrier := Carrier{host: host, options: options, from: config.From, to: config.To}
	_, carrier.domain, _ = strings.Cut(from.Address, "@")
	_, err = gomail.NewClient(host, options...)
	return carrier, err
}

// Deliver implements notification.Carrier. The mail has the same Message-ID at
// every try.
func (c Carrier) Deliver(ctx context.Context, n notification.Notification) error {
	message, err := c.compose(n)
	if err != nil {
		return &notification.Failure{Err: err, Refused: true}
	}
	client, err := gomail.NewClient(c.host, c.options...)
	if err != nil {
		return fmt.Errorf("make an SMTP client: %w", err)
	}
	err = client.DialAndSendWithContext(ctx, message)
	var refused *gomail.SendError
	switch {
	case message.IsDelivered():
		return nil // whatever became of the goodbye
	case errors.As(err, &refused):
		return &notification.Failure{Err: err, Refused: refused.ErrorCode() >= 500}
	}
	return err
}

func (c Carrier) compose(n notification.Notification) (*gomail.Msg, error) {
	subject, body, err := notification.Text(n)
	if err != nil {
		return nil, err
	}
	message := gomail.NewMsg()
	if err := message.From(c.from); err != nil {
		return nil, fmt.Errorf("sender: %w", err)
	}
	if err := message.To(c.to...); err != nil {
		return nil, fmt.Errorf("receivers: %w", err)
	}
	message.SetMessageIDWithValue(n.ID + "@" + c.domain)
	message.SetDate()
	message.Subject(subject)
	// Nobody is to answer that they are on holiday: RFC 3834.
	message.SetGenHeader("Auto-Submitted", "auto-generated")
	message.SetBodyString(gomail.TypeTextPlain, body)
	return message, nil
}
