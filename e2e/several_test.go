package e2e

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"helfy/internal/stack"
	"helfy/service"
)

// several is two processes that serve behind a balancer, and three that
// consume.
type several struct {
	t         *testing.T
	config    service.Config
	balancer  *balancer
	client    *stack.Client
	apis      []*stack.Process
	consumers []*stack.Process
}

func startSeveral(t *testing.T, config service.Config) *several {
	t.Helper()
	s := &several{t: t, config: config}
	var bases []string
	for range 2 {
		s.apis = append(s.apis, stack.Start(t, config, "serve"))
	}
	for _, api := range s.apis {
		bases = append(bases, api.Address(t))
	}
	for range 3 {
		s.consumers = append(s.consumers, stack.Start(t, config, "consume"))
	}
	s.balancer, s.client = newBalancer(t, bases...)
	s.awaitReady()
	return s
}

// awaitReady waits until all that serve are ready: one is not restarted before
// the other is back.
func (s *several) awaitReady() {
	s.t.Helper()
	stack.Eventually(s.t, patience, func() error {
		s.balancer.mu.Lock()
		defer s.balancer.mu.Unlock()
		for _, one := range s.balancer.replicas {
			if !one.ready {
				return errors.New(one.base + " is not ready")
			}
		}
		return nil
	})
}

func (s *several) restartAPI(i int) {
	s.t.Helper()
	s.awaitReady()
	began := time.Now()
	if err := s.apis[i].Stop(); err != nil {
		s.t.Errorf("api %d was told to end: %v", i, err)
	}
	s.t.Logf("api %d has ended %s after SIGTERM", i, time.Since(began).Round(time.Millisecond))
	s.startAPI(i)
}

func (s *several) startAPI(i int) {
	s.t.Helper()
	s.apis[i] = stack.Start(s.t, s.config, "serve")
	s.balancer.replace(i, s.apis[i].Address(s.t))
}

func (s *several) restartConsumer(i int) {
	s.t.Helper()
	began := time.Now()
	if err := s.consumers[i].Stop(); err != nil {
		s.t.Errorf("consumer %d was told to end: %v", i, err)
	}
	s.t.Logf("consumer %d has ended %s after SIGTERM", i, time.Since(began).Round(time.Millisecond))
	s.consumers[i] = stack.Start(s.t, s.config, "consume")
}

// killAPI kills a process that serves while it has requests.
func (s *several) killAPI(i int) {
	s.t.Helper()
	s.awaitReady()
	stack.Eventually(s.t, patience, func() error {
		if inFlight, _ := s.balancer.state(i); inFlight == 0 {
			return errors.New("no request is in flight")
		}
		s.apis[i].Kill()
		return nil
	})
}

// A restart of one process after another fails no login; a kill fails none but
// those in flight there. The log has all of it once.
func TestSeveralProcessesAreRestartedInTurnAndKilledUnderLoad(t *testing.T) {
	t.Parallel()
	config := stack.NewOwn(t).ConfigWith(func(c *service.Config) { c.ShutdownGrace = 3 * time.Second })
	logins := newLoad(t, config, 50)
	logins.logins = 3000
	logins.pause = 20 * time.Millisecond
	s := startSeveral(t, config)
	stalled := watchCompleteness(t, config)
	started := time.Now()
	logins.start(t.Context(), s.client)

	var rolling []func()
	for i := range s.apis {
		rolling = append(rolling, func() { s.restartAPI(i) })
	}
	for i := range s.consumers {
		rolling = append(rolling, func() { s.restartConsumer(i) })
	}
	for i, restart := range rolling {
		logins.waitFor(t, logins.logins*(i+1)/10)
		restart()
	}
	s.awaitReady()
	if failed := failures(logins.between(started, time.Now())); len(failed) > 0 {
		t.Errorf("failed while all were restarted in turn: %v", failed)
	}

	t.Logf("while they were, the log was complete up to %.1f s before at worst", stalled())

	stalled = watchCompleteness(t, config)
	logins.waitFor(t, logins.logins*6/10)
	s.killAPI(0)
	logins.waitFor(t, logins.logins*7/10)
	s.startAPI(0)
	s.consumers[0].Kill()
	logins.waitFor(t, logins.logins*8/10)
	s.consumers[0] = stack.Start(t, config, "consume")
	logins.finish(t)
	t.Logf("while some were killed, the log was complete up to %.1f s before at worst", stalled())
	t.Logf("%d logins in %s, answers %v", logins.logins, time.Since(started).Round(time.Millisecond), kinds(logins.answers))
	_, lost := s.balancer.state(0)
	if failed := failures(logins.answers); failed["502"] != lost || len(failed) > 1 {
		t.Errorf("failed %v, of which %d were in flight on the killed process", failed, lost)
	}
	if lost > logins.clients {
		t.Errorf("the killed process lost %d logins of %d clients", lost, logins.clients)
	}
	requireExactlyOnce(t, config, s.client, logins)
}

// watchCompleteness looks at how old the moment is that the log is complete
// through, by a process of its own, and tells the greatest age in seconds.
func watchCompleteness(t *testing.T, config service.Config) (worst func() float64) {
	t.Helper()
	observer := stack.Serve(t, config)
	token := requireComplete(t, observer)
	return stack.Watch(func() float64 {
		page, err := observer.Audit(t.Context(), token, "?limit=1")
		if err != nil || page.CompleteThrough == nil {
			return 0
		}
		return time.Since(*page.CompleteThrough).Seconds()
	})
}

// failures counts answers other than 200 by kind.
func failures(answers []answer) map[string]int {
	all := kinds(answers)
	maps.DeleteFunc(all, func(kind string, _ int) bool { return kind == "200" })
	return all
}

// What one process has begun another goes on with: a session of the one is a
// session of the other, and ends there too.
func TestASessionIsThatOfAllProcesses(t *testing.T) {
	config := stack.New(t)
	newLoad(t, config, 0)
	apis := []*stack.Client{
		stack.NewClient(stack.Start(t, config, "serve").Address(t)),
		stack.NewClient(stack.Start(t, config, "serve").Address(t)),
	}
	token, err := apis[0].Login(t.Context(), "admin", "admin")
	if err != nil {
		t.Fatal(err)
	}
	status := func(i int, method, path string) int {
		response, _, err := apis[i].Do(t.Context(), method, path, token, "")
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode
	}
	got := []int{
		status(1, "GET", "/api/me"), status(0, "GET", "/api/me"),
		status(1, "POST", "/api/logout"),
		status(0, "GET", "/api/me"), status(1, "GET", "/api/me"),
	}
	if want := []int{200, 200, 204, 401, 401}; !slices.Equal(got, want) {
		t.Errorf("answers %v, want %v", got, want)
	}
}
