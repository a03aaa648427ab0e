//go:build promtool

package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"go.yaml.in/yaml/v3"
)

// Prometheus' own parser reads what the dashboard asks for, as rules.
func TestPromtoolUnderstandsTheDashboard(t *testing.T) {
	type rule struct {
		Record string `yaml:"record"`
		Expr   string `yaml:"expr"`
	}
	type group struct {
		Name  string `yaml:"name"`
		Rules []rule `yaml:"rules"`
	}
	var rules []rule
	for _, expressions := range readDashboard(t).expressions() {
		for _, expr := range expressions {
			rules = append(rules, rule{Record: "panel:" + strconv.Itoa(len(rules)), Expr: expr})
		}
	}
	text, err := yaml.Marshal(map[string][]group{"groups": {{Name: "dashboard", Rules: rules}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	said, err := exec.CommandContext(t.Context(), "promtool", "check", "rules", file).CombinedOutput()
	t.Logf("%d expressions: %s", len(rules), said)
	if err != nil || len(rules) == 0 {
		t.Error(err)
	}
}
