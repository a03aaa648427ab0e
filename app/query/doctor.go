package query

import (
	"context"
	"sync"
	"time"
)

// CheckStatus is how a check has ended.
type CheckStatus string

// The ways. CheckWarn works now, but should be looked at.
const (
	CheckOK   CheckStatus = "ok"
	CheckWarn CheckStatus = "warn"
	CheckFail CheckStatus = "fail"
)

// Diagnosis is what one check has found, without any secret.
type Diagnosis struct {
	Check  string      `json:"check"`
	Status CheckStatus `json:"status"`
	Found  string      `json:"found"`
	// Advice says what to do; empty if nothing is.
	Advice string `json:"advice,omitempty"`
}

// Check looks at one thing and changes nothing. It must end soon after its
// context.
type Check struct {
	Name string
	Run  func(ctx context.Context) []Diagnosis
}

// checkTimeout bounds a check.
const checkTimeout = 10 * time.Second

// Diagnose runs checks, all at once and independent of each other, and returns
// what they have found in their order.
func Diagnose(ctx context.Context, checks []Check) []Diagnosis {
	found := make([][]Diagnosis, len(checks))
	var running sync.WaitGroup
	for i, check := range checks {
		running.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, checkTimeout)
			defer cancel()
			found[i] = check.Run(ctx)
			for j := range found[i] {
				found[i][j].Check = check.Name
			}
		})
	}
	running.Wait()
	var all []Diagnosis
	for _, some := range found {
		all = append(all, some...)
	}
	return all
}
