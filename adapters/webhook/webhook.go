// Package webhook carries notifications to an HTTP server, signed as
// https://www.standardwebhooks.com describes.
package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"code.dny.dev/ssrf"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"helfy/app/notification"
	"helfy/domain"
)

// Config says where notifications go.
type Config struct {
	// URL may have a secret in it.
	URL domain.Secret
	// Secrets sign, all of them, so that one can be replaced by another.
	Secrets []domain.Secret
	// AllowPrivate allows plain HTTP, and addresses that are not public.
	AllowPrivate bool
	// TLS is used instead of the system's roots if it is not nil.
	TLS *tls.Config
}

const (
	dialTimeout = 5 * time.Second
	idleTimeout = 30 * time.Second
	// maxAnswer is how much of an answer is read, so that the connection can
	// be used again.
	maxAnswer = 64 << 10
	// maxAnswerHeader bounds what a receiver can make us keep.
	maxAnswerHeader = 16 << 10
)

// Carrier implements notification.Carrier. It follows no redirect and uses no
// proxy. It is safe for concurrent use.
type Carrier struct {
	url     domain.Secret
	signers []*standardwebhooks.Webhook
	client  *http.Client
}

var _ notification.Carrier = Carrier{}

// New returns a carrier. Its error names what of the configuration is wrong,
// and no secret.
func New(config Config) (Carrier, error) {
	if err := checkURL(config); err != nil {
		return Carrier{}, err
	}
	signers, err := newSigners(config.Secrets)
	if err != nil {
		return Carrier{}, err
	}
	dialer := &net.Dialer{Timeout: dialTimeout}
	if !config.AllowPrivate {
		// After the name was resolved, so that no name leads elsewhere.
		dialer.Control = ssrf.New(ssrf.WithAnyPort()).Safe
	}
	return Carrier{url: config.URL, signers: signers, client: &http.Client{
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSClientConfig: config.TLS, ForceAttemptHTTP2: true,
			TLSHandshakeTimeout: dialTimeout, IdleConnTimeout: idleTimeout, MaxResponseHeaderBytes: maxAnswerHeader,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func checkURL(config Config) error {
	address, err := url.Parse(config.URL.Reveal())
	switch {
	case err != nil || address.Hostname() == "":
		return errors.New("want https://host/path") // the parser's error shows the address
	case address.Scheme != "https" && (address.Scheme != "http" || !config.AllowPrivate):
		return fmt.Errorf("want https, got %q", address.Scheme)
	}
	return nil
}

// Deliver implements notification.Carrier: a status of 2xx is acceptance.
func (c Carrier) Deliver(ctx context.Context, n notification.Notification) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url.Reveal(), bytes.NewReader(n.Body))
	if err != nil {
		return &notification.Failure{Err: errors.New("the address is none"), Refused: true}
	}
	now := time.Now()
	signature, err := sign(c.signers, n.ID, now, n.Body)
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "Helfy")
	request.Header.Set(standardwebhooks.HeaderWebhookID, n.ID)
	request.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	request.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	response, err := c.client.Do(request)
	if err != nil {
		return notSent(err)
	}
	// What cannot be read or closed is an answer all the same.
	_, _ = io.CopyN(io.Discard, response.Body, maxAnswer)
	_ = response.Body.Close()
	return judge(response, now)
}

// notSent takes the address, which may have a secret in it, out of an error.
func notSent(err error) error {
	var shown *url.Error
	if errors.As(err, &shown) {
		err = shown.Err
	}
	return &notification.Failure{Err: err, Refused: errors.Is(err, ssrf.ErrProhibitedIP)}
}

func judge(response *http.Response, now time.Time) error {
	status := response.StatusCode
	if status >= 200 && status < 300 {
		return nil
	}
	failure := &notification.Failure{
		Err: fmt.Errorf("the receiver answers %d %s", status, http.StatusText(status)), RetryAfter: retryAfter(response.Header, now),
	}
	switch {
	case status == http.StatusGone:
		failure.Gone = true
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status == http.StatusTooManyRequests:
	case status < 500:
		failure.Refused = true
	}
	return failure
}

// retryAfter reads the header of RFC 9110, 10.2.3: seconds or a date. It is 0
// for anything else.
func retryAfter(header http.Header, now time.Time) time.Duration {
	text := header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(text); err == nil {
		return max(0, date.Sub(now))
	}
	return 0
}
