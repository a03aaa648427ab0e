//go:build browser && screenshots

package browser_test

import (
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"helfy/domain"
	"helfy/internal/stack"
)

// TestScreenshots writes pictures of every page in every look to the folder that
// SCREENSHOTS names.
func TestScreenshots(t *testing.T) {
	dir := os.Getenv("SCREENSHOTS")
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	s := newSite(t)
	commitTs := s.live(t)
	shoot := func(name, path, user string) {
		tab := s.visit(path)
		if user != "" {
			tab = s.visitAs(user, path)
		}
		inEveryLook(tab, path, func(look string) {
			fields := strings.Fields(look)
			file := filepath.Join(dir, name+"-"+fields[1]+"-"+fields[2])
			tab.Screenshot(file+".png", true)
			tab.Screenshot(file+"-window.png", false)
		})
	}
	shoot("sign-in", "/", "")
	for _, page := range []string{"dashboard", "trail", "patterns", "users", "me", "projections"} {
		shoot(page, "/"+page, "admin")
	}
	shoot("transaction", "/transactions/"+commitTs, "admin")
	shoot("findings", "/trail?findings=true", "admin")
	shoot("dashboard-of-a-user", "/dashboard", "alice")
}

// live lets things happen that the pages can show, and returns the commit of a
// login.
func (s *site) live(t *testing.T) (commitTs string) {
	t.Helper()
	for _, name := range []string{"bob", "carol", "dan", "erin"} {
		stack.AddUser(t, s.config, name, domain.RoleUser)
	}
	s.pastDays(t)
	token := s.login("admin")
	for _, name := range []string{"alice", "bob", "carol", "alice", "dan", "bob"} {
		s.login(name)
	}
	for range 3 {
		if _, err := s.client.Login(t.Context(), "erin", "a guess"); err == nil {
			t.Fatal("the guess was right")
		}
	}
	for path, body := range map[string]string{"/api/users/4": `{"role":"admin"}`, "/api/users/5": `{"status":"disabled"}`} {
		if answer, text, err := s.client.Do(t.Context(), http.MethodPatch, path, token, body); err != nil || answer.StatusCode >= 300 {
			t.Fatalf("%v, %s", err, text)
		}
	}
	if _, err := stack.DB(t, s.config).ExecContext(t.Context(), "UPDATE users SET role = 'admin' WHERE username = 'erin'"); err != nil {
		t.Fatal(err)
	}
	stack.Eventually(t, time.Minute, func() error {
		page, err := s.client.Findings(t.Context(), token, "")
		if err == nil && len(page.Findings) == 0 {
			err = fmt.Errorf("nothing was found")
		}
		return err
	})
	return s.lastCommit(token, "alice", "")
}

// pastDays counts logins of two weeks, as no test can let them happen.
func (s *site) pastDays(t *testing.T) {
	t.Helper()
	db, now := stack.DB(t, s.config), time.Now().UTC().Truncate(time.Hour)
	add := func(period string, start time.Time, measure string, count int) {
		_, err := db.ExecContext(t.Context(), `INSERT INTO projection_login_counts (generation, period, starts_at, measure, cell, count)
			VALUES (1, ?, ?, ?, 0, ?) ON DUPLICATE KEY UPDATE count = count + VALUES(count)`, period, start.Unix(), measure, count)
		if err != nil {
			t.Fatal(err)
		}
	}
	for hour := now.Add(-14 * 24 * time.Hour); hour.Before(now); hour = hour.Add(time.Hour) {
		busy := math.Max(0, math.Sin(float64(hour.Hour()-5)/14*math.Pi))
		if day := hour.Weekday(); day == time.Saturday || day == time.Sunday {
			busy /= 5
		}
		logins := int(busy*40) + hour.YearDay()%3
		for _, measure := range []struct {
			name  string
			count int
		}{{"logins", logins}, {"failures", logins / 9}, {"lockouts", logins / 39}, {"users", logins * 2 / 3}} {
			if measure.count > 0 {
				add("hour", hour, measure.name, measure.count)
				add("day", hour.Truncate(24*time.Hour), measure.name, measure.count)
			}
		}
	}
}
