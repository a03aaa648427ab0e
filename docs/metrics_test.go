package docs_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"

	"helfy/app/projection"
	"helfy/domain"
	"helfy/internal/stack"
)

// Metrics that libraries make, of which the page says only where they come from.
var ofLibraries = []string{"go_", "process_", "promhttp_"}

// runMetrics returns the metrics of a process that does everything, after it
// has done some of each, and their text.
func runMetrics(t *testing.T) (families stack.Metrics, text []byte) {
	t.Helper()
	config := stack.ServeMetrics(t, stack.New(t))
	config.WebhookURL, config.WebhookAllowPrivate = domain.NewSecret("http://127.0.0.1:9/"), true
	config.WebhookSecrets = domain.NewSecret("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	if _, err := client.Login(t.Context(), "admin", "admin"); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Rebuild(t.Context(), projection.LoginsName, projection.RebuildOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	stack.Eventually(t, time.Minute, func() error {
		var err error
		if families, text, err = stack.ReadMetrics(t, config); err != nil {
			return err
		}
		for _, late := range []string{"helfy_projection_complete_age_seconds", "helfy_audit_verified_age_seconds"} {
			if families[late] == nil {
				return fmt.Errorf("%s is not known yet", late)
			}
		}
		return nil
	})
	return families, text
}

func TestTheTableOfMetricsIsWhatTheServiceTells(t *testing.T) {
	families, text := runMetrics(t)
	problems, err := promlint.New(bytes.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		t.Errorf("%s: %s", problem.Metric, problem.Text)
	}
	documented := documentedMetrics(t)
	for _, name := range slices.Sorted(maps.Keys(families)) {
		family := families[name]
		if slices.ContainsFunc(ofLibraries, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
			continue
		}
		row, ok := documented[name]
		if !ok {
			t.Errorf("operations.md lacks %s, a %s with the labels %s: %s", name, kindOf(family), labelsOf(family), family.GetHelp())
			continue
		}
		if row.kind != kindOf(family) || row.labels != labelsOf(family) {
			t.Errorf("%s is a %s with the labels %q, but operations.md says: a %s with %q", name, kindOf(family), labelsOf(family), row.kind, row.labels)
		}
	}
	for name := range documented {
		if families[name] == nil {
			t.Errorf("operations.md has %s, which the service does not tell", name)
		}
	}
}

// metricRow is what the page says of a metric.
type metricRow struct{ kind, labels string }

func documentedMetrics(t *testing.T) map[string]metricRow {
	t.Helper()
	rows := map[string]metricRow{}
	for _, table := range read(t, "operations.md").tables {
		if table.section != "Metrics and traces" || table.header[0] != "metric" {
			continue
		}
		for _, row := range table.rows {
			rows[strings.Trim(row[0], "`")] = metricRow{kind: row[1], labels: strings.ReplaceAll(row[2], "`", "")}
		}
	}
	if len(rows) == 0 {
		t.Error("operations.md has no table of metrics")
	}
	return rows
}

func kindOf(family *dto.MetricFamily) string { return strings.ToLower(family.GetType().String()) }

func labelsOf(family *dto.MetricFamily) string {
	names := map[string]bool{}
	for _, metric := range family.GetMetric() {
		for _, label := range metric.GetLabel() {
			names[label.GetName()] = true
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(names)), ", ")
}
