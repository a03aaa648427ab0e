package verification

import (
	"context"
	"errors"
	"fmt"

	"helfy/app/projection"
	"helfy/domain"
)

// Examination verifies a history: its chains, what explains its changes, and,
// beside a seal, that it is the one that was sealed.
type Examination struct {
	// Database is the fed one's name.
	Database string
	Keyring  *domain.Keyring // nil: MACs are not checked
	// User, if not empty, keeps the findings to users who ever had the name.
	User     string
	Seal     *domain.Seal // may be nil
	Progress Progress     // may be nil
}

// The errors of an examination that cannot begin or end.
var (
	ErrNoSuchUser = errors.New("nobody ever had this name")
	errOtherSeal  = errors.New("the seal is of another database")
	errPartSealed = errors.New("a seal is of the whole history: it cannot be compared for one user")
)

// Topics examines what topics hold. source is SourceKafka or SourceFolder.
func (e Examination) Topics(ctx context.Context, source Source, topics Topics) (Report, error) {
	if err := e.check(); err != nil {
		return Report{}, err
	}
	var judge *Judge
	walk := Walk{Topics: topics, Projection: projection.Audit{Database: e.Database}, Progress: e.Progress}
	walked, err := walk.Run(ctx, func() func([]domain.AuditEntry) error {
		judge = e.newJudge(topics.Partitions())
		return func(entries []domain.AuditEntry) error {
			judge.Commit(entries)
			return nil
		}
	})
	if err != nil {
		return Report{}, err
	}
	return e.report(source, judge, walked, topics.Partitions())
}

func (e Examination) check() error {
	switch {
	case e.Seal != nil && e.Seal.Database != e.Database:
		return fmt.Errorf("%w: %q, not %q", errOtherSeal, e.Seal.Database, e.Database)
	case e.Seal != nil && e.User != "":
		return errPartSealed
	}
	return nil
}

func (e Examination) newJudge(partitions []projection.Partition) *Judge {
	judge := NewJudge(e.Keyring)
	judge.Only(e.User)
	if e.Seal != nil {
		judge.At(e.Seal.Watermark, func(today domain.Seal) []domain.Finding {
			today.Topics = sealedTopics(partitions)
			return e.Seal.Mismatches(today)
		})
	}
	return judge
}

func (e Examination) report(source Source, judge *Judge, walked Walked, partitions []projection.Partition) (Report, error) {
	judge.End(walked.Through)
	if e.Seal != nil && e.Seal.Watermark > walked.Through {
		judge.Found(e.Seal.OutOfReach(walked.Through))
	}
	if e.User != "" && !judge.KnowsUser() {
		return Report{}, fmt.Errorf("user %q: %w", e.User, ErrNoSuchUser)
	}
	report := Report{Source: source, Database: e.Database, WithKey: e.Keyring != nil, Walked: walked, Trail: judge.Trail()}
	report.Trail.Database, report.Trail.Topics = e.Database, sealedTopics(partitions)
	report.Findings, report.Dropped = judge.Findings()
	report.Waived, report.Faults = waivedOf(walked.Faults, judge.Waivers(), partitions)
	report.FaultCount -= int64(len(report.Waived))
	return report, nil
}
