package stack

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"helfy/service"
)

// Metrics are what a process tells at METRICS_ADDRESS, by the names of the
// families.
type Metrics map[string]*dto.MetricFamily

// ServeMetrics gives a configuration a METRICS_ADDRESS of its own.
func ServeMetrics(t testing.TB, config service.Config) service.Config {
	t.Helper()
	config.MetricsAddress = "127.0.0.1:" + strconv.Itoa(FreePort(t))
	return config
}

// ReadMetrics reads those of a process, and their text.
func ReadMetrics(t testing.TB, config service.Config) (metrics Metrics, text []byte, err error) {
	t.Helper()
	answer, text, err := NewClient("http://"+config.MetricsAddress).Do(t.Context(), http.MethodGet, "/metrics", "", "")
	if err != nil {
		return nil, nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, nil, &StatusError{answer.StatusCode, string(text)}
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	metrics, err = parser.TextToMetricFamilies(bytes.NewReader(text))
	return metrics, text, err
}

// Sum adds up the metrics of a family that have some labels: the values of
// counters and gauges, and how much a histogram has counted. It returns an
// error if there is none.
func (m Metrics) Sum(family string, labels map[string]string) (sum float64, err error) {
	found := false
	for _, one := range m[family].GetMetric() {
		if !hasLabels(one, labels) {
			continue
		}
		found = true
		sum += one.GetCounter().GetValue() + one.GetGauge().GetValue() + float64(one.GetHistogram().GetSampleCount())
	}
	if !found {
		return 0, fmt.Errorf("there is no %s%v", family, labels)
	}
	return sum, nil
}

// Observed is what the histograms of a family that have some labels have
// observed, in all and how often. It returns an error if there are none.
func (m Metrics) Observed(family string, labels map[string]string) (sum, count float64, err error) {
	for _, one := range m[family].GetMetric() {
		if hasLabels(one, labels) {
			sum += one.GetHistogram().GetSampleSum()
		}
	}
	count, err = m.Sum(family, labels)
	return sum, count, err
}

func hasLabels(metric *dto.Metric, want map[string]string) bool {
	labels := map[string]string{}
	for _, label := range metric.GetLabel() {
		labels[label.GetName()] = label.GetValue()
	}
	with := maps.Clone(labels)
	maps.Copy(with, want)
	return maps.Equal(labels, with)
}
