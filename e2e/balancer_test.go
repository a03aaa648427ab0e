package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"

	"helfy/internal/stack"
)

// balancer sends each request to one of the replicas that say that they are
// ready, in turn. A request that found nobody listening goes to the next; one
// that was sent is not sent again.
type balancer struct {
	mu       sync.Mutex
	next     int
	replicas []*replica
}

// replica is a process that serves, or the place of one.
type replica struct {
	base string
	// ready is what it said last, or false once nobody listens.
	ready    bool
	inFlight int
	// lost are requests that were in flight when the connection broke.
	lost int
}

// pollEvery is how often the balancer asks a replica whether it is ready.
const pollEvery = 50 * time.Millisecond

// newBalancer returns a client of the replicas at the addresses.
func newBalancer(t *testing.T, bases ...string) (*balancer, *stack.Client) {
	t.Helper()
	b := &balancer{}
	for _, base := range bases {
		b.replicas = append(b.replicas, &replica{base: base})
	}
	ctx, cancel := context.WithCancel(t.Context())
	var polling sync.WaitGroup
	for i := range b.replicas {
		polling.Go(func() { b.poll(ctx, i) })
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: "replica"}) },
		Transport: roundTripper(b.send),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), http.StatusBadGateway)
		},
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(func() { server.Close(); cancel(); polling.Wait() })
	return b, stack.NewClient(server.URL)
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// replace puts another process in the place of a replica.
func (b *balancer) replace(i int, base string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.replicas[i].base, b.replicas[i].ready = base, false
}

// state returns how many requests are in flight at a replica and how many it
// has lost.
func (b *balancer) state(i int) (inFlight, lost int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.replicas[i].inFlight, b.replicas[i].lost
}

// poll asks a replica whether it is ready until ctx ends.
func (b *balancer) poll(ctx context.Context, i int) {
	// One that is slow on a busy machine is still ready.
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for ctx.Err() == nil {
		b.mu.Lock()
		base := b.replicas[i].base
		b.mu.Unlock()
		ready := isReady(ctx, client, base)
		b.mu.Lock()
		if b.replicas[i].base == base {
			b.replicas[i].ready = ready
		}
		b.mu.Unlock()
		select {
		case <-time.After(pollEvery):
		case <-ctx.Done():
		}
	}
}

func isReady(ctx context.Context, client *http.Client, base string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/readyz", nil)
	if err != nil {
		return false
	}
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	_, err = stack.ReadAnswer(response)
	return err == nil && response.StatusCode == http.StatusOK
}

// without keep-alive, as deploy/nginx does it: a connection that was kept may
// be closed just when it is used.
var toReplicas = &http.Transport{DisableKeepAlives: true}

func (b *balancer) send(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	refused := errors.New("no replica is ready")
	for range b.replicas {
		one := b.take()
		if one == nil {
			break
		}
		response, err := one.send(r, body)
		var dial *net.OpError
		unsent := errors.As(err, &dial) && dial.Op == "dial"
		b.release(one, unsent, err)
		if !unsent {
			return response, err
		}
		refused = err
	}
	return nil, fmt.Errorf("balance: %w", refused)
}

// taken is a replica as a request got it.
type taken struct {
	replica *replica
	base    string
}

func (b *balancer) take() *taken {
	b.mu.Lock()
	defer b.mu.Unlock()
	for range b.replicas {
		one := b.replicas[b.next%len(b.replicas)]
		b.next++
		if one.ready {
			one.inFlight++
			return &taken{one, one.base}
		}
	}
	return nil
}

func (b *balancer) release(one *taken, unsent bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	one.replica.inFlight--
	if unsent && one.replica.base == one.base {
		one.replica.ready = false
	}
	if err != nil && !unsent {
		one.replica.lost++
	}
}

func (o *taken) send(r *http.Request, body []byte) (*http.Response, error) {
	request := r.Clone(r.Context())
	base, err := url.Parse(o.base)
	if err != nil {
		return nil, err
	}
	request.URL.Host = base.Host
	request.Body, request.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	response, err := toReplicas.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	text, err := stack.ReadAnswer(response) // so that what breaks off is an error, too
	response.Body = io.NopCloser(bytes.NewReader(text))
	return response, err
}
