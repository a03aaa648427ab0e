package verification

import (
	"context"
	"fmt"
	"time"

	"helfy/app/projection"
	"helfy/domain"
)

// Log is the audit log's table.
type Log interface {
	// CompleteThrough returns the TSO up to which it is complete, 0 if that
	// is not known yet.
	CompleteThrough(ctx context.Context) (uint64, error)
	// InOrder gives the entries up to a watermark to take, all of one
	// commitTs at a time, in the order of commits; with users only theirs.
	InOrder(ctx context.Context, users []domain.UserID, through uint64, progress Progress, take func([]domain.AuditEntry) error) error
	// UsersCalled returns the users who ever had a name.
	UsersCalled(ctx context.Context, name string) ([]domain.UserID, error)
	// DeadLetters returns the records of which nothing could be made, at most
	// limit.
	DeadLetters(ctx context.Context, limit int) ([]Fault, error)
	// Topics returns how far each partition has been read.
	Topics(ctx context.Context) ([]projection.Partition, error)
}

// ClosableStored is what is stored, as one transaction sees it.
type ClosableStored interface {
	Stored
	Close() error
}

const (
	// outboxTTL is how long outbox rows are kept, by its table's definition.
	outboxTTL = 30 * 24 * time.Hour
	// catchUp bounds the wait until the log has what is stored, and catchUpPoll
	// is how often it is asked.
	catchUp     = 30 * time.Second
	catchUpPoll = 100 * time.Millisecond
)

// Log examines the audit log's table, and what is stored beside it: outbox
// rows, heads, credentials and sessions. open begins to read the latter, with
// users only what is theirs.
func (e Examination) Log(
	ctx context.Context, log Log, open func(context.Context, []domain.UserID) (ClosableStored, error),
) (report Report, err error) {
	if err := e.check(); err != nil {
		return Report{}, err
	}
	users, err := e.users(ctx, log)
	if err != nil {
		return Report{}, err
	}
	stored, err := open(ctx, users)
	if err != nil {
		return Report{}, err
	}
	defer func() {
		if closed := stored.Close(); err == nil {
			err = closed
		}
	}()
	through, err := await(ctx, log, stored.Moment())
	if err != nil {
		return Report{}, err
	}
	partitions, err := log.Topics(ctx)
	if err != nil {
		return Report{}, err
	}
	judge := e.newJudge(partitions)
	inspection := &Inspection{Stored: stored, Keyring: e.Keyring, Judge: judge, TTL: outboxTTL}
	if err := inspection.Begin(ctx); err != nil {
		return Report{}, err
	}
	walked := Walked{Through: through}
	err = log.InOrder(ctx, users, through, e.Progress, func(entries []domain.AuditEntry) error {
		walked.Entries += int64(len(entries))
		judge.Commit(entries)
		return inspection.Commit(ctx, entries)
	})
	if err != nil {
		return Report{}, err
	}
	if err := inspection.End(ctx); err != nil {
		return Report{}, err
	}
	if walked.Faults, err = log.DeadLetters(ctx, maxFaults); err != nil {
		return Report{}, err
	}
	walked.Records, walked.FaultCount = walked.Entries, int64(len(walked.Faults))
	return e.report(SourceTable, judge, walked, partitions)
}

func (e Examination) users(ctx context.Context, log Log) ([]domain.UserID, error) {
	if e.User == "" {
		return nil, nil
	}
	users, err := log.UsersCalled(ctx, e.User)
	if err == nil && len(users) == 0 {
		err = fmt.Errorf("user %q: %w", e.User, ErrNoSuchUser)
	}
	return users, err
}

// await waits until the log is complete through a moment, and returns how far
// it is.
func await(ctx context.Context, log Log, moment uint64) (uint64, error) {
	deadline := time.Now().Add(catchUp)
	for {
		through, err := log.CompleteThrough(ctx)
		if err != nil || through >= moment {
			return through, err
		}
		if time.Now().After(deadline) {
			return 0, fmt.Errorf("the log is complete through %s only, after %s of waiting for what is stored now: is helfy consume running?",
				describeTSO(through), catchUp)
		}
		select {
		case <-time.After(catchUpPoll):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

func describeTSO(ts uint64) string {
	if ts == 0 {
		return "nothing"
	}
	return domain.TimeOfTSO(ts).Format(time.RFC3339Nano)
}
