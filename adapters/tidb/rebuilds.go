package tidb

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"helfy/app/projection"
)

// Rebuilds remembers the last rebuild of each projection. It is safe for
// concurrent use.
type Rebuilds struct{ db *sql.DB }

// NewRebuilds returns the rebuilds that db remembers.
func NewRebuilds(db *sql.DB) Rebuilds { return Rebuilds{db: db} }

// Begin keeps a run instead of the one before.
func (r Rebuilds) Begin(ctx context.Context, run projection.Run) error {
	_, err := r.db.ExecContext(ctx, `
		REPLACE INTO projection_rebuilds (projection, run, asked_by, verify_only, accept_diff, began_at, stage, generation, read_before, outcome, error)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '')`,
		run.Projection, run.ID, run.By, run.VerifyOnly, run.AcceptDifference, run.BeganAt.UTC(), run.Stage, run.Generation, run.ReadBefore, run.State)
	if err != nil {
		return fmt.Errorf("remember a rebuild of %s: %w", run.Projection, err)
	}
	return nil
}

// Update keeps how far a run is, or how it ended, unless another one has begun
// since.
func (r Rebuilds) Update(ctx context.Context, run projection.Run) error {
	result, err := json.Marshal(run.Result)
	if err != nil {
		return fmt.Errorf("write the result of a rebuild: %w", err)
	}
	differences, err := json.Marshal(run.Differences)
	if err != nil {
		return fmt.Errorf("write the differences of a rebuild: %w", err)
	}
	_, err = r.db.ExecContext(ctx, `
		UPDATE projection_rebuilds SET ended_at = ?, stage = ?, generation = ?, read_before = ?, reading_at = ?, outcome = ?, error = ?, result = ?, differences = ?
		WHERE projection = ? AND run = ?`,
		nullTime(run.EndedAt), run.Stage, run.Generation, run.ReadBefore, nullTime(run.ReadingAt), run.State, run.Error, result, differences,
		run.Projection, run.ID)
	if err != nil {
		return fmt.Errorf("remember how a rebuild of %s is doing: %w", run.Projection, err)
	}
	return nil
}

// Last returns the last run of a projection, nil if it was never rebuilt.
func (r Rebuilds) Last(ctx context.Context, name string) (*projection.Run, error) {
	rows, err := r.db.QueryContext(ctx, `
		SELECT run, asked_by, verify_only, accept_diff, began_at, ended_at, stage, generation, read_before, reading_at, outcome, error,
		       COALESCE(result, 'null'), COALESCE(differences, 'null')
		FROM projection_rebuilds WHERE projection = ?`, name)
	if err != nil {
		return nil, fmt.Errorf("read the last rebuild of %s: %w", name, err)
	}
	defer rows.Close()
	if !rows.Next() {
		return nil, rows.Err()
	}
	run := projection.Run{Projection: name}
	var ended, reading sql.NullTime
	var result, differences []byte
	err = rows.Scan(&run.ID, &run.By, &run.VerifyOnly, &run.AcceptDifference, &run.BeganAt, &ended, &run.Stage, &run.Generation,
		&run.ReadBefore, &reading, &run.State, &run.Error, &result, &differences)
	if err == nil {
		err = json.Unmarshal(result, &run.Result)
	}
	if err == nil {
		err = json.Unmarshal(differences, &run.Differences)
	}
	if err != nil {
		return nil, fmt.Errorf("read the last rebuild of %s: %w", name, err)
	}
	run.EndedAt, run.ReadingAt = ended.Time, reading.Time
	return &run, nil
}
