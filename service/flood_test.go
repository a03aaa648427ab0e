package service_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"helfy/adapters/tidb"
	"helfy/app/command"
	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// floodOf is the payload of a refused login.
type floodOf struct {
	UserID   int
	Username string
	Reason   domain.FailureReason
	Count    int
	From, To time.Time
}

// floods returns the events that stand for many refused logins.
func floods(t *testing.T, config service.Config) []floodOf {
	t.Helper()
	var found []floodOf
	for _, payload := range payloads[floodOf](t, config, domain.LoginFailure) {
		if payload.Reason == domain.FailureFlood {
			found = append(found, payload)
		}
	}
	return found
}

// flood makes so many logins of a name fail, several at a time.
func flood(t *testing.T, logins command.LoginHandler, name string, times int) {
	t.Helper()
	var wait sync.WaitGroup
	for range times {
		wait.Go(func() {
			if err := try(t, logins, name, "wrong"); !errors.Is(err, command.ErrInvalidCredentials) {
				t.Error(err)
			}
		})
	}
	wait.Wait()
}

// startOfMinute sets a clock back to the beginning of a minute that is over.
func startOfMinute(wall *clock) {
	wall.by = -time.Since(domain.FloodMinute(time.Now().Add(-5 * time.Minute)))
}

func TestAFloodIsOneEventOfAnExactCount(t *testing.T) {
	config := stack.New(t)
	config.FloodThreshold, config.LockTime, config.LockMax = 4, time.Hour, time.Hour
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	wall := &clock{}
	startOfMinute(wall)
	logins, _ := newLogins(t, config, wall)
	flood(t, logins, "admin", 30)
	flood(t, logins, "nobody", 17)
	if got := failures(t, config); len(payloads[floodOf](t, config, domain.LoginFailure)) != 2*config.FloodThreshold {
		t.Errorf("before the minutes are recorded, the failures are %v", got)
	}
	if locks := payloads[floodOf](t, config, domain.UserLocked); len(locks) != 1 {
		t.Errorf("%d locks, want one also in a flood", len(locks))
	}
	// The process was stopped meanwhile; two take over.
	for range 2 {
		stack.Run(t, config)
	}
	db := stack.DB(t, config)
	stack.Eventually(t, wait, func() error {
		var left int
		err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM login_floods").Scan(&left)
		if err == nil && left != 0 {
			err = fmt.Errorf("%d floods are left", left)
		}
		return err
	})
	got := floods(t, config) // the unknown chain's number is before the user's or after it
	if len(got) != 2 {
		t.Fatalf("floods are %+v, want one of each chain", got)
	}
	for _, f := range got {
		want := 30 - config.FloodThreshold
		if f.Username == "***" {
			want = 17 - config.FloodThreshold
		}
		if f.Count != want || f.To.Before(f.From) || domain.FloodMinute(f.From) != domain.FloodMinute(f.To) {
			t.Errorf("flood is %+v, want a count of %d within a minute", f, want)
		}
	}
	requireUnbrokenChains(t, config)
	stack.RequireNoFindings(t, config)
}

func TestEachMinuteOfAFloodHasItsEvent(t *testing.T) {
	config := stack.New(t)
	config.FloodThreshold, config.MaxFailures = 2, 0
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	wall := &clock{}
	startOfMinute(wall)
	first := domain.FloodMinute(wall.now())
	logins, _ := newLogins(t, config, wall)
	for minute := range 3 {
		flood(t, logins, "admin", 3+minute)
		wall.by += time.Minute
	}
	recorder := recorderOf(t, config)
	recorder.Now = func() time.Time { return first.Add(90 * time.Second) } // the first minute alone is over
	for range 2 {
		if err := recorder.Handle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := floods(t, config); len(got) != 1 || got[0].Count != 1 {
		t.Errorf("floods are %+v, want that of the first minute", got)
	}
	recorder.Now = time.Now
	if err := recorder.Handle(t.Context()); err != nil {
		t.Fatal(err)
	}
	var counts []int
	for _, f := range floods(t, config) {
		counts = append(counts, f.Count)
	}
	if fmt.Sprint(counts) != "[1 2 3]" {
		t.Errorf("counts are %v", counts)
	}
	requireUnbrokenChains(t, config)
}

func recorderOf(t *testing.T, config service.Config) command.RecordFloodsHandler {
	t.Helper()
	keyring := keyringOf(t, config)
	return command.RecordFloodsHandler{Floods: tidb.NewUsers(stack.ServiceDB(t, config), keyring), Keyring: keyring, Now: time.Now}
}

func TestALostCommitCountsOnce(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]stack.Cut{"before the server sees it": stack.CutBeforeCommit, "after the server has it": stack.CutAfterCommit} {
		t.Run(name, func(t *testing.T) {
			config := stack.New(t)
			config.FloodThreshold = 1
			stack.AddUser(t, config, "admin", domain.RoleAdmin)
			viaProxy, proxy := stack.ViaProxy(t, config)
			wall := &clock{}
			startOfMinute(wall)
			logins, hasher := newLogins(t, viaProxy, wall)
			flood(t, logins, "admin", 1)
			flood(t, logins, "nobody", 1)
			hasher.verified = func() { proxy.CutNext(cut) } // the COMMIT of the result
			for _, name := range []string{"admin", "nobody"} {
				flood(t, logins, name, 1)
			}
			hasher.verified = nil
			flood(t, logins, "admin", 1)
			if proxy.Cuts.Load() != 2 {
				t.Fatalf("the proxy has cut %d connections, want 2", proxy.Cuts.Load())
			}
			recorder := recorderOf(t, viaProxy)
			proxy.CutNext(cut)
			if err := recorder.Handle(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := recorder.Handle(t.Context()); err != nil {
				t.Fatal(err)
			}
			counts := map[string]int{}
			for _, f := range floods(t, config) {
				counts[f.Username] += f.Count
			}
			if len(floods(t, config)) != 2 || counts["admin"] != 2 || counts["***"] != 1 {
				t.Errorf("floods are %+v", floods(t, config))
			}
			requireUnbrokenChains(t, config)
		})
	}
}

func TestTheFloodOfAUserThatIsGoneHoldsNothingUp(t *testing.T) {
	config := stack.New(t)
	exec(t, config, "INSERT INTO login_floods VALUES ('user', '9', '2026-01-02 12:00', 20, 5, '2026-01-02 12:00:01', '2026-01-02 12:00:09')")
	if err := recorderOf(t, config).Handle(t.Context()); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := stack.DB(t, config).QueryRowContext(t.Context(), "SELECT COUNT(*) FROM login_floods").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d floods are left, %v", left, err)
	}
}
