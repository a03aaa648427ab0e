package query

import (
	"context"
	"time"

	"helfy/domain"
)

// LoginSums are what happened since a time.
type LoginSums struct {
	// Logins, Failures and Lockouts count what happened, Users the different
	// users that logged in.
	Logins, Failures, Lockouts, Users int64
}

// Status is the state of the trail in a few numbers.
type Status struct {
	// CompleteThrough is the TSO up to which the log is complete but for dead
	// letters and gaps, VerifiedThrough that up to which it is verified; 0
	// while not known.
	CompleteThrough, VerifiedThrough uint64
	DeadLetters                      int64
	Gaps                             []Gap
	Findings                         map[domain.FindingKind]int
	Changefeed                       Changefeed
	Since                            LoginSums
}

// FindingCounts counts what is wrong with the trail.
type FindingCounts interface {
	// CountFindings returns how many findings there are of each kind, those
	// without any left out.
	CountFindings(ctx context.Context) (map[domain.FindingKind]int, error)
	// VerifiedThrough returns the TSO up to which the log is verified.
	VerifiedThrough(ctx context.Context) (uint64, error)
}

// LoginSince sums up login statistics.
type LoginSince interface {
	// Since sums up the hours that begin at a time or later. It must be the
	// beginning of an hour.
	Since(ctx context.Context, start time.Time) (LoginSums, error)
}

// ShowStatus reads the state of the trail. It is safe for concurrent use.
type ShowStatus struct {
	Log        AuditLog
	Gaps       Gaps
	Findings   FindingCounts
	Logins     LoginSince
	Changefeed ShowChangefeed
}

// Handle returns the state, with the logins since the beginning of an hour.
func (s ShowStatus) Handle(ctx context.Context, since time.Time) (status Status, err error) {
	if status.CompleteThrough, err = s.Log.CompleteThrough(ctx); err != nil {
		return status, err
	}
	if status.DeadLetters, err = s.Log.OpenDeadLetters(ctx); err != nil {
		return status, err
	}
	if status.Gaps, err = s.Gaps.Gaps(ctx); err != nil {
		return status, err
	}
	// Read first: it must not promise more than the findings counted after it.
	if status.VerifiedThrough, err = s.Findings.VerifiedThrough(ctx); err != nil {
		return status, err
	}
	if status.Findings, err = s.Findings.CountFindings(ctx); err != nil {
		return status, err
	}
	if status.Since, err = s.Logins.Since(ctx, since); err != nil {
		return status, err
	}
	status.Changefeed = s.Changefeed.Handle(ctx)
	return status, nil
}
