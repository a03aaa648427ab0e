package http

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
)

func TestAnAnswerThatIsBrokenOffIsCountedAsAborted(t *testing.T) {
	registry, counted := prometheus.NewRegistry(), make(chan struct{}, 1)
	router := chi.NewRouter()
	router.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() { counted <- struct{}{} }()
			next.ServeHTTP(w, r)
		})
	}, withMetrics(registry))
	router.Get("/whole/{part}", func(w http.ResponseWriter, _ *http.Request) {
		if _, err := io.WriteString(w, "all of it"); err != nil {
			t.Error(err)
		}
	})
	router.Get("/export", func(w http.ResponseWriter, _ *http.Request) {
		if _, err := io.WriteString(w, "the beginning"); err != nil {
			t.Error(err)
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		panic(http.ErrAbortHandler)
	})
	server := httptest.NewServer(router)
	defer server.Close()
	for path, broken := range map[string]bool{"/whole/1": false, "/export": true} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := server.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(response.Body); (err != nil) != broken {
			t.Errorf("GET %s: %v", path, err)
		}
		if err := response.Body.Close(); err != nil {
			t.Error(err)
		}
		<-counted
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	statuses, timed := map[string]string{}, 0
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			labels := map[string]string{}
			for _, label := range metric.GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			if metric.GetHistogram() != nil {
				timed += int(metric.GetHistogram().GetSampleCount())
			} else if metric.GetCounter().GetValue() == 1 {
				statuses[labels["route"]] = labels["status"]
			}
		}
	}
	if want := map[string]string{"/whole/{part}": "200", "/export": "aborted"}; !maps.Equal(statuses, want) || timed != 2 {
		t.Errorf("counted are %v, want %v, and %d of 2 are timed", statuses, want, timed)
	}
}
