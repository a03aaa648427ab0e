package http

import (
	"os"
	"regexp"
	"testing"
)

func TestTheRouterOfTheBrowserKnowsThePages(t *testing.T) {
	source, err := os.ReadFile("../../web/assets/js/routes.js")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, match := range regexp.MustCompile(`\{ path: '([^']+)'(.*)`).FindAllStringSubmatch(string(source), -1) {
		found++
		forAdmins, ok := pages[match[1]]
		if got := regexp.MustCompile(`\badmin: true\b`).MatchString(match[2]); !ok || got != forAdmins {
			t.Errorf("%s is for administrators only: %v in routes.js, %v in the service (known: %v)", match[1], got, forAdmins, ok)
		}
	}
	if found == 0 {
		t.Error("routes.js has no pages")
	}
}
