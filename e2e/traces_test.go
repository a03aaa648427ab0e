package e2e

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// traceCollector takes spans by OTLP over HTTP.
type traceCollector struct {
	URL string

	mu    sync.Mutex
	spans []*otlp.Span
}

func collectTraces(t *testing.T) *traceCollector {
	t.Helper()
	c := &traceCollector{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var request collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &request)
		}
		if err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("the collector got %s %s: %v", r.Method, r.URL, err)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, resource := range request.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				c.spans = append(c.spans, scope.Spans...)
			}
		}
	}))
	t.Cleanup(server.Close)
	c.URL = server.URL
	return c
}

// named waits for spans of a name that hold, and returns them.
func (c *traceCollector) named(t *testing.T, name string, holds func(*otlp.Span) bool) (found []*otlp.Span) {
	t.Helper()
	stack.Eventually(t, 30*time.Second, func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		found = slices.DeleteFunc(slices.Clone(c.spans), func(s *otlp.Span) bool { return s.Name != name || !holds(s) })
		if len(found) > 0 {
			return nil
		}
		var names []string
		for _, span := range c.spans {
			names = append(names, span.Name)
		}
		return fmt.Errorf("no such span %q among %q", name, names)
	})
	return found
}

// contextOf is a span as a traceparent names it.
func contextOf(traceID, spanID []byte) string {
	return fmt.Sprintf("00-%s-%s-01", hex.EncodeToString(traceID), hex.EncodeToString(spanID))
}

// traceLogin signs in within a trace and returns the span of the request.
func traceLogin(t *testing.T, client *stack.Client, collector *traceCollector, name string) *otlp.Span {
	t.Helper()
	const traceID, spanID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, client.Base+"/api/login",
		strings.NewReader(`{"username":"`+name+`","password":"`+name+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Traceparent", "00-"+traceID+"-"+spanID+"-01")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stack.ReadAnswer(answer); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("got %s, %v", answer.Status, err)
	}
	all := collector.named(t, "POST /api/login", func(s *otlp.Span) bool { return hex.EncodeToString(s.ParentSpanId) == spanID })
	if len(all) != 1 || hex.EncodeToString(all[0].TraceId) != traceID {
		t.Fatalf("got the spans %v, want one in the client's trace", all)
	}
	return all[0]
}

func traceparentInOutbox(t *testing.T, config service.Config) (traceparent string) {
	t.Helper()
	err := stack.DB(t, config).QueryRowContext(t.Context(),
		"SELECT JSON_UNQUOTE(JSON_EXTRACT(metadata, '$.traceparent')) FROM outbox WHERE type = ?", domain.LoginSuccess).Scan(&traceparent)
	if err != nil {
		t.Fatal(err)
	}
	return traceparent
}

func TestALoginIsOneTraceFromTheRequestToTheProjectionsAndWhatRepeatsItLinksToIt(t *testing.T) {
	collector := collectTraces(t)
	config := stack.New(t)
	config.OTLPEndpoint = collector.URL
	const name = "planted-name"
	stack.AddUser(t, config, name, domain.RoleUser)
	api := stack.Start(t, config, "serve")
	consumer := stack.Start(t, config, "consume")
	request := traceLogin(t, stack.NewClient(api.Address(t)), collector, name)
	if request.Kind != otlp.Span_SPAN_KIND_SERVER {
		t.Errorf("the request's span is a %s", request.Kind)
	}
	login := contextOf(request.TraceId, request.SpanId)
	if got := traceparentInOutbox(t, config); got != login {
		t.Errorf("the event has the trace %s, want %s", got, login)
	}
	for _, child := range []string{"verify password", "transaction count_tries", "transaction log_in", "project audit", "project logins"} {
		all := collector.named(t, child, func(s *otlp.Span) bool { return contextOf(s.TraceId, s.ParentSpanId) == login })
		if len(all) != 1 {
			t.Errorf("%s has %d spans below the request's, want 1", child, len(all))
		}
	}

	links := func(s *otlp.Span) bool {
		return slices.ContainsFunc(s.Links, func(l *otlp.Span_Link) bool { return contextOf(l.TraceId, l.SpanId) == login })
	}
	if code, printed := stack.RunCommand(t, config, "", "rebuild", "audit"); code != 0 {
		t.Fatal(printed)
	}
	replayed := collector.named(t, "rebuild audit", links)
	if err := consumer.Stop(); err != nil {
		t.Fatal(err)
	}
	rewind(t, config, config.EventsTopic)
	stack.Start(t, config, "consume")
	replayed = append(replayed, collector.named(t, "repeat audit", links)...)
	for _, span := range replayed {
		if len(span.ParentSpanId) != 0 || string(span.TraceId) == string(request.TraceId) {
			t.Errorf("%s is in the login's trace", span.Name)
		}
	}
	collector.requireWithout(t, name, "INSERT", "UPDATE", "$argon2id")
}

// requireWithout fails the test if a span shows any of the texts.
func (c *traceCollector) requireWithout(t *testing.T, texts ...string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, span := range c.spans {
		for _, text := range texts {
			if strings.Contains(span.String(), text) {
				t.Errorf("a span shows %s: %s", text, span)
			}
		}
	}
}

func TestACollectorThatIsAwayOrHangsHoldsNoLoginUp(t *testing.T) {
	released := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-released }))
	t.Cleanup(func() { close(released); hanging.Close() })
	for name, url := range map[string]string{"away": fmt.Sprintf("http://127.0.0.1:%d", stack.FreePort(t)), "hanging": hanging.URL} {
		t.Run(name, func(t *testing.T) {
			config := stack.New(t)
			config.OTLPEndpoint = url
			stack.AddUser(t, config, "admin", domain.RoleAdmin)
			api := stack.Start(t, config, "serve")
			client := stack.NewClient(api.Address(t))
			// Whoever waits for the collector waits for ten seconds each time.
			within, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for range 20 {
				if _, err := client.Login(within, "admin", "admin"); err != nil {
					t.Fatal(err)
				}
			}
			if err := api.Stop(); err != nil {
				t.Error(err)
			}
			if !strings.Contains(api.Said(), "traces") {
				t.Error("nothing is said of the traces that are lost")
			}
		})
	}
}
