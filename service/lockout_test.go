package service_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"helfy/adapters/argon2id"
	"helfy/adapters/ratelimit"
	"helfy/adapters/tidb"
	"helfy/app/command"
	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// watchedHasher counts the verifications against hashes that somebody has.
type watchedHasher struct {
	command.Hasher
	real atomic.Int32
	// again counts the tries that had to be made again although they had their
	// place, most of them after they were verified.
	again atomic.Int32
	// verified is called after each verification, unless it is nil.
	verified func()
}

func (h *watchedHasher) Verify(ctx context.Context, hash string, password domain.Secret) (bool, error) {
	right, err := h.Hasher.Verify(ctx, hash, password)
	if err == nil && hash != h.Dummy() {
		h.real.Add(1)
	}
	if h.verified != nil {
		h.verified()
	}
	return right, err
}

// newLogins returns a handler as an instance of the service has it, with a
// clock that can be set.
func newLogins(t *testing.T, config service.Config, wall *clock) (command.LoginHandler, *watchedHasher) {
	t.Helper()
	params := argon2id.Params{MemoryKiB: config.HashMemoryKiB, Time: config.HashTime, Threads: config.HashThreads}
	argon, err := argon2id.New(params, config.HashConcurrency)
	if err != nil {
		t.Fatal(err)
	}
	hasher := &watchedHasher{Hasher: argon}
	keyring := keyringOf(t, config)
	return command.LoginHandler{
		Logins: tidb.NewUsers(stack.ServiceDB(t, config), keyring), Hasher: hasher, Keyring: keyring,
		Log: slog.New(slog.DiscardHandler), Now: wall.now, SessionTTL: time.Hour, InFlight: make(chan struct{}, config.HashConcurrency),
		Policy: domain.LockPolicy{
			MaxFailures: config.MaxFailures, Window: config.FailureWindow, LockTime: config.LockTime, MaxLockTime: config.LockMax,
		},
		FloodThreshold: config.FloodThreshold,
		PerIP:          ratelimit.New(config.RatePerIP, wall.now), PerName: ratelimit.New(config.RatePerName, wall.now),
	}, hasher
}

// waitedTooLong tells whether a transaction has waited for too long: for a
// lock, for which TiDB's mock of TiKV has no code of its own, or in all.
func waitedTooLong(err error) bool {
	var answer *mysql.MySQLError
	return errors.Is(err, context.DeadlineExceeded) ||
		errors.As(err, &answer) && (answer.Number == 1205 || answer.Message == "lock wait timeout")
}

// try is a login of a name; a busy service is asked again until it answers,
// also one in which many tries wait for one another for too long.
func try(t *testing.T, logins command.LoginHandler, name, password string) error {
	t.Helper()
	for {
		_, err := logins.Handle(t.Context(), command.Login{Username: name, Password: domain.NewSecret(password)})
		busy := errors.Is(err, command.ErrBusy)
		if !busy && !waitedTooLong(err) {
			return err
		}
		if hasher, ok := logins.Hasher.(*watchedHasher); ok && !busy {
			hasher.again.Add(1)
		}
		stack.Pause(t, 5*time.Millisecond)
	}
}

// failures counts the LOGIN_FAILUREs by reason.
func failures(t *testing.T, config service.Config) map[domain.FailureReason]int {
	t.Helper()
	counts := map[domain.FailureReason]int{}
	for _, payload := range payloads[struct{ Reason domain.FailureReason }](t, config, domain.LoginFailure) {
		counts[payload.Reason]++
	}
	return counts
}

func TestParallelWrongPasswordsAreVerifiedNoMoreThanMayFail(t *testing.T) {
	config := stack.New(t)
	const tries = 200
	config.FloodThreshold, config.LockTime, config.LockMax, config.HashConcurrency = 0, time.Hour, time.Hour, tries/2
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	wall := &clock{}
	one, hasherOne := newLogins(t, config, wall)
	other, hasherOther := newLogins(t, config, wall) // another instance of the service
	var wait sync.WaitGroup
	for i := range tries {
		wait.Go(func() {
			logins := one
			if i%2 == 0 {
				logins = other
			}
			if err := try(t, logins, "admin", fmt.Sprintf("wrong %d", i)); !errors.Is(err, command.ErrInvalidCredentials) {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	again := int(hasherOne.again.Load() + hasherOther.again.Load())
	if verified := int(hasherOne.real.Load() + hasherOther.real.Load()); verified < config.MaxFailures || verified > config.MaxFailures+again {
		t.Errorf("%d were verified against the password, want %d; %d were tried again", verified, config.MaxFailures, again)
	}
	got := failures(t, config)
	if got[domain.WrongPassword] != config.MaxFailures || got[domain.FailureLocked] != tries-config.MaxFailures {
		t.Errorf("reasons are %v", got)
	}
	locks := payloads[struct {
		UserID, Failures int
		Username         string
		Until            time.Time
	}](t, config, domain.UserLocked)
	if len(locks) != 1 || locks[0].UserID != 1 || locks[0].Username != "admin" || locks[0].Failures != config.MaxFailures {
		t.Errorf("locks are %+v, want one", locks)
	}
	if err := try(t, one, "admin", "admin"); !errors.Is(err, command.ErrInvalidCredentials) {
		t.Errorf("the right password during the lock: %v", err)
	}
	wall.by = config.LockTime + time.Second
	if err := try(t, other, "admin", "admin"); err != nil {
		t.Errorf("the right password after the lock: %v", err)
	}
	requireUnbrokenChains(t, config)
}

// requireNoTries checks that nothing is left of any try: neither a failure nor
// a place.
func requireNoTries(t *testing.T, config service.Config) {
	t.Helper()
	var subjects, left int
	err := stack.DB(t, config).QueryRowContext(t.Context(), `
		SELECT COUNT(*), COUNT(IF(failures > 0 OR locks > 0 OR locked_until IS NOT NULL OR reservations NOT IN ('[]', 'null'), 1, NULL))
		FROM login_attempts`).Scan(&subjects, &left)
	if err != nil || subjects == 0 || left != 0 {
		t.Errorf("%d of %d subjects have something to remember, %v", left, subjects, err)
	}
}

func TestParallelRightPasswordsLockNobodyOut(t *testing.T) {
	config := stack.New(t)
	config.MaxFailures = 3
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	var wait sync.WaitGroup
	var granted atomic.Int32
	for range 5 * (config.MaxFailures + 1) {
		wait.Go(func() {
			_, err := client.Login(t.Context(), "admin", "admin")
			switch status := statusOf(t, err); status {
			case http.StatusOK:
				granted.Add(1)
			case http.StatusServiceUnavailable:
			default:
				t.Errorf("status %d", status)
			}
		})
	}
	wait.Wait()
	if granted.Load() < int32(config.MaxFailures+1) {
		t.Errorf("%d logins were granted, want more than may fail", granted.Load())
	}
	login(t, client, "admin")
	requireNoTries(t, config)
	if got := failures(t, config); len(got) != 0 {
		t.Errorf("failures are %v", got)
	}
	requireUnbrokenChains(t, config)
}

func TestAnUnlockedUserMaySignInAtOnce(t *testing.T) {
	config := stack.New(t)
	config.MaxFailures, config.LockTime, config.LockMax = 2, time.Hour, time.Hour
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	refused := func(password string) {
		t.Helper()
		if _, err := client.Login(t.Context(), "admin", password); statusOf(t, err) != http.StatusUnauthorized {
			t.Errorf("%s: %v, want 401", password, err)
		}
	}
	login(t, client, "admin") // from here on, this network is known
	refused("wrong")
	refused("wrong")
	refused("admin")
	for range 2 { // the second time there is nothing to unlock
		if err := config.ChangeUser(t.Context(), "ADMIN", command.ChangeUser{Unlock: true}); err != nil {
			t.Fatal(err)
		}
	}
	token := login(t, client, "admin")
	if unlocks := payloads[struct{ Username string }](t, config, domain.UserUnlocked); len(unlocks) != 1 || unlocks[0].Username != "admin" {
		t.Errorf("unlocks are %+v, want one", unlocks)
	}
	if err := config.ChangeUser(t.Context(), "nobody", command.ChangeUser{Unlock: true}); !errors.Is(err, command.ErrUserNotFound) {
		t.Errorf("unlocking nobody: %v", err)
	}
	// The failure that locks and the lock are explained together.
	eventuallyAttributed(t, client, token, string(domain.UserLocked), func(change stack.Entry) error {
		if *change.Old["event_seq"] != "3" || *change.New["event_seq"] != "5" {
			return fmt.Errorf("event_seq went from %s to %s", *change.Old["event_seq"], *change.New["event_seq"])
		}
		return nil
	})
	requireUnbrokenChains(t, config)
	stack.RequireNoFindings(t, config)
}

func TestALockElsewhereLeavesKnownNetworksAlone(t *testing.T) {
	config := stack.New(t)
	config.MaxFailures, config.LockTime, config.LockMax = 2, time.Hour, time.Hour
	config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	from := func(ip, password string, want int) {
		t.Helper()
		body := fmt.Sprintf(`{"username":"admin","password":%q}`, password)
		if response, _ := send(t, client, http.MethodPost, "/api/login", body, map[string]string{"X-Forwarded-For": ip}); response.StatusCode != want {
			t.Errorf("%s from %s: status %d, want %d", password, ip, response.StatusCode, want)
		}
	}
	from("198.51.100.7", "admin", http.StatusOK)
	for range 3 {
		from("203.0.113.1", "wrong", http.StatusUnauthorized)
		from("2001:db8::1", "wrong", http.StatusUnauthorized)
	}
	from("192.0.2.1", "admin", http.StatusUnauthorized) // a new place is locked
	from("198.51.100.200", "admin", http.StatusOK)      // the known one is not
	from("198.51.100.66", "wrong", http.StatusUnauthorized)
	from("198.51.100.66", "wrong", http.StatusUnauthorized)
	from("198.51.100.7", "admin", http.StatusUnauthorized) // but it has a lock of its own
	locks := payloads[struct{ Network string }](t, config, domain.UserLocked)
	if len(locks) != 2 || locks[0].Network != "" || locks[1].Network != "198.51.100.0/24" {
		t.Errorf("locks are %+v", locks)
	}
	if err := config.ChangeUser(t.Context(), "admin", command.ChangeUser{Unlock: true}); err != nil {
		t.Fatal(err)
	}
	from("192.0.2.1", "admin", http.StatusOK)
	from("198.51.100.7", "admin", http.StatusOK)
	requireUnbrokenChains(t, config)
}

func TestOnlyTheNewestNetworksAreKnown(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	wall := &clock{}
	logins, _ := newLogins(t, config, wall)
	for i := range 20 {
		wall.by = time.Duration(i) * time.Minute
		_, err := logins.Handle(t.Context(), command.Login{
			Username: "admin", Password: domain.NewSecret("admin"), Origin: domain.Origin{IP: fmt.Sprintf("10.0.%d.1", i)},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var known int
	var oldest string
	err := stack.DB(t, config).QueryRowContext(t.Context(),
		"SELECT COUNT(*), (SELECT network FROM login_networks ORDER BY last_success_at LIMIT 1) FROM login_networks").Scan(&known, &oldest)
	if err != nil || known != 16 || oldest != "10.0.4.0/24" {
		t.Errorf("%d networks are known, the oldest is %s, %v; want 16 from 10.0.4.0/24 on", known, oldest, err)
	}
}

func TestAKilledProcessFreesItsPlacesInTime(t *testing.T) {
	config := stack.New(t)
	config.MaxFailures = 1
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	process := stack.Start(t, config, "serve")
	client := stack.NewClient(process.Address(t))
	db := stack.DB(t, config)
	// The login has its place, has checked the password and waits for this
	// lock.
	tx := holdUser(t, db)
	answered := make(chan error, 1)
	go func() {
		_, err := client.Login(t.Context(), "admin", "wrong")
		answered <- err
	}()
	stack.Eventually(t, wait, func() error { return stack.WaitForLock(t.Context(), db, "users", 1) })
	process.Kill()
	if err := <-answered; err == nil {
		t.Fatal("the client has got an answer")
	}
	var text []byte
	if err := db.QueryRowContext(t.Context(), "SELECT reservations FROM login_attempts").Scan(&text); err != nil {
		t.Fatal(err)
	}
	var places []domain.Reservation
	if err := json.Unmarshal(text, &places); err != nil || len(places) != 1 {
		t.Fatalf("the places are %s, %v, want one", text, err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	restarted := stack.Serve(t, config)
	stack.Eventually(t, 2*wait, func() error {
		_, err := restarted.Login(t.Context(), "admin", "admin")
		if status := statusOf(t, err); status != http.StatusOK && status != http.StatusServiceUnavailable {
			t.Fatalf("status %d, want 503 while the place is taken", status)
		}
		return err
	})
	if early := time.Until(places[0].Expires); early > 0 {
		t.Errorf("the place was free %s before its time", early)
	}
	if got := failures(t, config); len(got) != 0 {
		t.Errorf("failures are %v", got)
	}
	requireUnbrokenChains(t, config)
}

func TestABusyOrAbortedLoginReturnsItsPlace(t *testing.T) {
	config := stack.New(t)
	config.MaxFailures = 1
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	logins, hasher := newLogins(t, config, &clock{})
	for name, fault := range map[string]error{"busy": command.ErrBusy, "aborted": context.Canceled} {
		t.Run(name, func(t *testing.T) {
			failing := logins
			failing.Hasher = failingHasher{hasher, fault}
			_, err := failing.Handle(t.Context(), command.Login{Username: "admin", Password: domain.NewSecret("admin")})
			if !errors.Is(err, fault) {
				t.Fatalf("got %v", err)
			}
			requireNoTries(t, config)
		})
	}
}

func TestAWrongPasswordThatCannotBeStoredKeepsItsPlace(t *testing.T) {
	config := stack.New(t)
	config.MaxFailures = 2
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	logins, hasher := newLogins(t, config, &clock{})
	exec(t, config, "ALTER TABLE outbox RENAME COLUMN type TO broken")
	attempt := func(password string) error {
		_, err := logins.Handle(t.Context(), command.Login{Username: "admin", Password: domain.NewSecret(password)})
		return err
	}
	if err := attempt("admin"); err == nil || errors.Is(err, command.ErrInvalidCredentials) {
		t.Errorf("the right password: %v", err)
	}
	for range config.MaxFailures {
		if err := attempt("wrong"); err == nil || errors.Is(err, command.ErrBusy) || errors.Is(err, command.ErrInvalidCredentials) {
			t.Errorf("a wrong password: %v", err)
		}
	}
	if err := attempt("wrong"); !errors.Is(err, command.ErrBusy) {
		t.Errorf("one more: %v", err)
	}
	if got := int(hasher.real.Load()); got != 1+config.MaxFailures {
		t.Errorf("%d verifications, want that of the right password and %d", got, config.MaxFailures)
	}
}

// failingHasher verifies nothing.
type failingHasher struct {
	command.Hasher
	fault error
}

func (h failingHasher) Verify(context.Context, string, domain.Secret) (bool, error) {
	return false, h.fault
}
