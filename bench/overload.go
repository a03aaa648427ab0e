package main

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"helfy/internal/stack"
)

// measureOverload finds out how many logins a second the service can do, and
// what becomes of four times as many.
func measureOverload(r *run) {
	config := newConfig(r)
	server := start(r, config, "serve")
	addUsers(r, config)
	duration := size(r, 8*time.Second, 500*time.Millisecond)
	var mu sync.Mutex
	next := 0
	_, capacity, err := closedLoop(r.Context(), config.HashConcurrency, duration, func() error {
		mu.Lock()
		name := userName(next)
		next++
		mu.Unlock()
		_, err := server.Login(r.Context(), name, name)
		if refusedBusy(err) {
			err = nil
		}
		return err
	})
	r.must(err)
	rate := 4 * capacity
	count := int(rate * duration.Seconds())
	r.progress("%.0f logins a second are all that it can do; %d at %.0f a second", capacity, count, rate)
	var accepted, refused times
	stop := make(chan struct{})
	other := make(chan times)
	go func() { other <- ask(r, stop) }()
	began := time.Now()
	openLoop(r.Context(), rate, count, func(i int) {
		start := time.Now()
		_, err := server.Login(r.Context(), userName(i), userName(i))
		took := time.Since(start)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil:
			accepted = append(accepted, took)
		case refusedBusy(err):
			refused = append(refused, took)
		default:
			r.Error(err)
		}
	})
	done := float64(len(accepted)) / time.Since(began).Seconds()
	close(stop)
	bare := <-other
	r.add(line{Case: "logins done at 4 times capacity", Value: done, Unit: "/s"}.beside("capacity", capacity))
	const besides = "bare HTTP of another process meanwhile"
	r.add(line{Case: "503, p50", Value: refused.percentile(50), Unit: "ms"}.beside(besides, bare.percentile(50)))
	r.add(line{Case: "503, p99", Value: refused.percentile(99), Unit: "ms"}.beside(besides, bare.percentile(99)).aim("less than 20 ms"))
	r.add(line{Case: "login at 4 times capacity, p99", Value: accepted.percentile(99), Unit: "ms"}.aim("no seconds of queue"))
}

// ask asks a handler of this process that does nothing, a hundred times a
// second until stop is closed, and returns how long each answer took: the
// machine is as busy for it.
func ask(r *run, stop <-chan struct{}) (took times) {
	client := serveHandler(r, http.NotFoundHandler())
	for {
		select {
		case <-stop:
			return took
		case <-r.Context().Done():
			return took
		case <-time.After(10 * time.Millisecond):
		}
		start := time.Now()
		if _, _, err := client.Do(r.Context(), http.MethodGet, "/", "", ""); err != nil {
			r.Error(err)
			return took
		}
		took = append(took, time.Since(start))
	}
}

func refusedBusy(err error) bool {
	var status *stack.StatusError
	return errors.As(err, &status) && status.Status == http.StatusServiceUnavailable
}
