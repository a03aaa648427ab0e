package docs_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"helfy/internal/stack"
)

const (
	rulesFile     = "../deploy/prometheus/rules.yml"
	rulesTestFile = "../deploy/prometheus/rules_test.yml"
)

// alert is a rule of Prometheus.
type alert struct {
	Alert       string
	Expr        string
	Labels      map[string]string
	Annotations map[string]string
}

func readYAML(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func readAlerts(t *testing.T) (alerts []alert) {
	t.Helper()
	var file struct{ Groups []struct{ Rules []alert } }
	readYAML(t, rulesFile, &file)
	for _, group := range file.Groups {
		alerts = append(alerts, group.Rules...)
	}
	if len(alerts) == 0 {
		t.Fatal("there are no alerts")
	}
	return alerts
}

// headings returns those of a level below the heading of a section, and the
// first word below each.
func headings(t *testing.T, section string) map[string]string {
	t.Helper()
	text, err := os.ReadFile("operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n## "+section+"\n")
	if !found {
		t.Fatalf("operations.md has no section %s", section)
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	all := map[string]string{}
	for _, part := range strings.Split(rest, "\n### ")[1:] {
		heading, body, _ := strings.Cut(part, "\n")
		first, _, _ := strings.Cut(strings.TrimSpace(body), " ")
		all[heading] = strings.ToLower(strings.Trim(first, ".,"))
	}
	return all
}

func TestOperatorsAreToldWhatToDoAboutEachAlert(t *testing.T) {
	told := headings(t, "Alerts")
	var names []string
	for _, alert := range readAlerts(t) {
		names = append(names, alert.Alert)
		severity, ok := told[alert.Alert]
		if !ok {
			t.Errorf("operations.md says nothing of %s", alert.Alert)
		} else if severity != alert.Labels["severity"] {
			t.Errorf("%s is %s, operations.md says %s", alert.Alert, alert.Labels["severity"], severity)
		}
		if want := "docs/operations.md#" + strings.ToLower(alert.Alert); alert.Annotations["runbook"] != want {
			t.Errorf("the runbook of %s is %q, want %q", alert.Alert, alert.Annotations["runbook"], want)
		}
		if alert.Annotations["summary"] == "" {
			t.Errorf("%s has no summary", alert.Alert)
		}
	}
	for name := range told {
		if !slices.Contains(names, name) {
			t.Errorf("operations.md tells of %s, which is no alert", name)
		}
	}
}

func TestEachAlertIsShownToFireAndToBeSilent(t *testing.T) {
	var file struct {
		Tests []struct {
			Cases []struct {
				Name string `yaml:"alertname"`
				Want []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	readYAML(t, rulesTestFile, &file)
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		for _, one := range test.Cases {
			fires[one.Name] = fires[one.Name] || len(one.Want) > 0
			silent[one.Name] = silent[one.Name] || len(one.Want) == 0
		}
	}
	for _, alert := range readAlerts(t) {
		if !fires[alert.Alert] || !silent[alert.Alert] {
			t.Errorf("%s is shown to fire: %t, to be silent: %t", alert.Alert, fires[alert.Alert], silent[alert.Alert])
		}
	}
}

func TestAlertsAskForWhatTheServiceTells(t *testing.T) {
	families, _ := runMetrics(t)
	for _, alert := range readAlerts(t) {
		for _, fault := range faultsOf(families, alert.Expr) {
			t.Errorf("%s: %s", alert.Alert, fault)
		}
	}
	for _, wrong := range []string{
		`rate(helfy_logins[5m])`, `helfy_lag_seconds_bucket{stage="x"}`, `helfy_changefeed_state{state=~"failed|gone"} == 1`, `helfy_logins_total_bucket`,
	} {
		if len(faultsOf(families, wrong)) != 1 {
			t.Errorf("%s: got the faults %q, want one", wrong, faultsOf(families, wrong))
		}
	}
}

var (
	selectorForm = regexp.MustCompile(`\b((?:helfy|go|process)_[a-z0-9_]+)(\{[^}]*\})?`)
	matcherForm  = regexp.MustCompile(`(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"`)
)

// faultsOf says which metrics, labels and values an expression names that the
// service does not tell. Values count where all of them are told from the
// beginning.
func faultsOf(families stack.Metrics, expr string) (faults []string) {
	for _, selector := range selectorForm.FindAllStringSubmatch(expr, -1) {
		family := families[selector[1]]
		for _, suffix := range []string{"_bucket", "_count", "_sum"} {
			if name, ok := strings.CutSuffix(selector[1], suffix); ok && family == nil && kindOf(families[name]) == "histogram" {
				family = families[name]
			}
		}
		if family == nil {
			faults = append(faults, "there is no metric "+selector[1])
			continue
		}
		values := map[string][]string{"le": nil}
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				values[label.GetName()] = append(values[label.GetName()], label.GetValue())
			}
		}
		for _, matcher := range matcherForm.FindAllStringSubmatch(selector[2], -1) {
			label, told := matcher[1], values[matcher[1]]
			if _, ok := values[label]; !ok && label != "instance" && label != "job" {
				faults = append(faults, selector[1]+" has no label "+label)
			}
			if !slices.Contains([]string{"state", "outcome", "step", "command", "projection", "channel"}, label) || strings.HasPrefix(matcher[3], "$") {
				continue
			}
			for value := range strings.SplitSeq(matcher[3], "|") {
				if !slices.Contains(told, value) {
					faults = append(faults, selector[1]+" has no "+label+" "+value)
				}
			}
		}
	}
	return faults
}
