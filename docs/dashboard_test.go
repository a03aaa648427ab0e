package docs_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

const (
	grafanaFolder = "../deploy/grafana/"
	dashboardFile = grafanaFolder + "dashboards/helfy.json"
)

type datasource struct{ Type, UID string }

// dashboard is what the tests need of Grafana's JSON.
type dashboard struct {
	UID    string
	Panels []struct {
		ID          int
		Type, Title string
		Datasource  datasource
		GridPos     struct{ X, Y, W, H int }
		Targets     []struct {
			Expr       string
			Datasource datasource
		}
	}
	Templating struct {
		List []struct {
			Name  string
			Query struct{ Query string }
		}
	}
	Annotations struct{ List []struct{ Expr string } }
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	text, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatalf("%s: %v", dashboardFile, err)
	}
	return d
}

// expressions returns what the dashboard asks Prometheus for, by the panels'
// titles, with values for Grafana's variables.
func (d dashboard) expressions() map[string][]string {
	fill := strings.NewReplacer("$__rate_interval", "1m", `"$projection"`, `"audit|logins"`)
	all := map[string][]string{}
	for _, panel := range d.Panels {
		for _, target := range panel.Targets {
			all[panel.Title] = append(all[panel.Title], fill.Replace(target.Expr))
		}
	}
	return all
}

func TestTheDashboardAsksForWhatTheServiceTells(t *testing.T) {
	families, _ := runMetrics(t)
	d := readDashboard(t)
	all := d.expressions()
	for _, variable := range d.Templating.List {
		all["variable "+variable.Name] = append(all["variable "+variable.Name], variable.Query.Query)
	}
	for title, expressions := range all {
		for _, expr := range expressions {
			for _, fault := range faultsOf(families, expr) {
				t.Errorf("%s: %s", title, fault)
			}
			if strings.Contains(expr, "$") {
				t.Errorf("%s asks for a variable that there is not: %s", title, expr)
			}
		}
	}
}

func TestTheDashboardShowsAllMetrics(t *testing.T) {
	text, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	for name := range documentedMetrics(t) {
		if !strings.Contains(string(text), name) && !strings.HasPrefix(name, "helfy_projection_lag_") {
			t.Errorf("no panel shows %s", name)
		}
	}
}

func TestTheDashboardFitsItsDatasourceAndItsGrid(t *testing.T) {
	var provided struct {
		Datasources []struct{ Type, UID string }
	}
	readYAML(t, grafanaFolder+"provisioning/datasources/prometheus.yml", &provided)
	want := datasource(provided.Datasources[0])
	ids, taken := map[int]bool{}, map[[2]int]string{}
	for _, panel := range readDashboard(t).Panels {
		if ids[panel.ID] || panel.Title == "" {
			t.Errorf("panel %d, %q, is there twice or has no title", panel.ID, panel.Title)
		}
		ids[panel.ID] = true
		if panel.Type != "row" && panel.Datasource != want {
			t.Errorf("%s asks %v, want %v", panel.Title, panel.Datasource, want)
		}
		for _, target := range panel.Targets {
			if target.Datasource != want {
				t.Errorf("%s asks %v, want %v", panel.Title, target.Datasource, want)
			}
		}
		for x := panel.GridPos.X; x < panel.GridPos.X+panel.GridPos.W; x++ {
			for y := panel.GridPos.Y; y < panel.GridPos.Y+panel.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%s covers %q, or is beyond the edge", panel.Title, other)
				}
				taken[[2]int{x, y}] = panel.Title
			}
		}
	}
	if len(ids) == 0 {
		t.Error("there are no panels")
	}
}
