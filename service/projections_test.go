package service_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"helfy/app/projection"
	"helfy/app/query"
	"helfy/internal/stack"
	"helfy/service"
)

// statuses returns those of the generations of the audit log, by number.
func statuses(t *testing.T, config service.Config, digests bool) map[int]query.GenerationStatus {
	t.Helper()
	all, err := config.Projections(t.Context(), digests)
	if err != nil {
		t.Fatal(err)
	}
	found := map[int]query.GenerationStatus{}
	for _, one := range all {
		if one.Projection == projection.AuditName {
			found[one.Generation] = one
		}
	}
	return found
}

func TestProjectionsTellHowFarEachGenerationIs(t *testing.T) {
	config, _, _, stop := newLog(t)
	if rebuilt, err := rebuild(t, config, projection.RebuildOptions{}); err != nil || !rebuilt.Switched {
		t.Fatalf("%+v, %v", rebuilt, err)
	}
	found := statuses(t, config, false)
	if len(found) != 2 || found[1].State != projection.Standby || found[2].State != projection.Live {
		t.Fatalf("%+v", found)
	}
	for number, one := range found {
		if one.CompleteThrough == nil || time.Since(*one.CompleteThrough) > time.Minute || one.LagSeconds == nil || *one.LagSeconds > 60 ||
			one.LiveSince == nil || one.Digest != nil || one.AtWork != "" {
			t.Errorf("generation %d: %+v", number, one)
		}
	}
	stop()
	stack.Produce(t, config, config.EventsTopic, 0, "poison")
	before := statuses(t, config, false)[2]
	if before.Lag < 1 {
		t.Errorf("a message that nobody reads is no lag: %+v", before)
	}
	stack.Pause(t, time.Second)
	if after := statuses(t, config, false)[2]; *after.LagSeconds < *before.LagSeconds+0.9 {
		t.Errorf("the lag is %f s, and a second later %f s", *before.LagSeconds, *after.LagSeconds)
	}
	client, _ := stack.Run(t, config)
	eventuallyComplete(t, client, login(t, client, "admin"))
	for number, one := range statuses(t, config, false) {
		if one.DeadLetters != 1 {
			t.Errorf("generation %d: %+v", number, one)
		}
	}
}

func TestADigestShowsARowThatWasChangedByHand(t *testing.T) {
	config, _, _, _ := newLog(t)
	if rebuilt, err := rebuild(t, config, projection.RebuildOptions{}); err != nil || !rebuilt.Switched {
		t.Fatalf("%+v, %v", rebuilt, err)
	}
	found := statuses(t, config, true)
	if found[1].Digest == nil || *found[1].Digest != *found[2].Digest || found[1].Digest.Rows == 0 || found[1].DiffersFromLive {
		t.Errorf("%+v", found)
	}
	exec(t, config, "UPDATE projection_audit_entries SET username = 'mallory' WHERE generation = 2 AND event_type = 'LOGIN_SUCCESS'")
	if found = statuses(t, config, true); !found[1].DiffersFromLive || found[2].DiffersFromLive {
		t.Errorf("%+v", found)
	}
	code, said := stack.RunCommand(t, config, "", "projections", "--digest")
	if code != 0 || !strings.Contains(said, "DIFFERS from the live one") {
		t.Errorf("%d: %s", code, said)
	}
}

func TestProjectionsTellWhoIsAtWork(t *testing.T) {
	config, _, _, _ := newLog(t)
	seen := ""
	_, err := config.Rebuild(t.Context(), projection.AuditName, projection.RebuildOptions{}, func(projection.Progress) {
		if seen != "" {
			return
		}
		for _, one := range statuses(t, config, false) {
			if one.State == projection.Live {
				seen = one.AtWork
			}
		}
	})
	if err != nil || !strings.HasPrefix(seen, "process ") {
		t.Errorf("at work is %q, %v", seen, err)
	}
}

func TestProjectionsArePrintedAsATable(t *testing.T) {
	config, _, _, _ := newLog(t)
	code, said := stack.RunCommand(t, config, "", "projections")
	lines := strings.Split(strings.TrimSpace(said), "\n")
	if code != 0 || len(lines) != 3 {
		t.Fatalf("%d: %s", code, said)
	}
	for i, want := range []string{
		`^PROJECTION +GENERATION +STATE +LAG +COMPLETE THROUGH +DEAD +AT WORK$`,
		`^audit +1 +live +\d+, \d+\.\d s +20\d\d-\S+Z +0 *$`,
		`^logins +1 +live +\d+, \d+\.\d s +20\d\d-\S+Z +0 *$`,
	} {
		if !regexp.MustCompile(want).MatchString(lines[i]) {
			t.Errorf("line %q, want %s", lines[i], want)
		}
	}
}

func TestMetricsTellHowEachProjectionIsDoing(t *testing.T) {
	config := stack.New(t)
	config.MetricsAddress = metricsAddress(t)
	stack.Run(t, config)
	stack.Produce(t, config, config.EventsTopic, 0, "poison")
	stack.Eventually(t, wait, func() error {
		metrics := readMetrics(t, config)
		for _, name := range []string{projection.AuditName, projection.LoginsName} {
			for _, want := range []string{"lag_messages{projection=%q} 0", "dead_letters{projection=%q} 1", "lag_seconds{projection=%q} ", "complete_age_seconds{projection=%q} "} {
				if want = "helfy_projection_" + fmt.Sprintf(want, name); !strings.Contains(metrics, "\n"+want) {
					return errors.New("the metrics lack " + want)
				}
			}
		}
		return nil
	})
}
