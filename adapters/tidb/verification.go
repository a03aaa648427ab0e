package tidb

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"helfy/app/findings"
	"helfy/app/projection"
	"helfy/domain"
)

// chunkSize is about how many entries are verified in one transaction.
const chunkSize = 2000

// Verification implements findings.Store. It is safe for concurrent use, also
// by several processes.
type Verification struct {
	db  *sql.DB
	log AuditLog
}

var _ findings.Store = Verification{}

// NewVerification returns the verification of a log in db.
func NewVerification(db *sql.DB, log AuditLog) Verification { return Verification{db: db, log: log} }

// mark is how far the log is verified.
type mark struct {
	pass    uint64
	through uint64
	state   string
}

// anew returns the beginning of another pass.
func (m mark) anew() mark { return mark{pass: m.pass + 1, state: "{}"} }

// errUnreadable says that somebody has written into what verification keeps.
var errUnreadable = errors.New("what verification keeps cannot be read")

// verifierState is what a verifier keeps besides the chains.
type verifierState struct {
	Announcements []domain.Announcement `json:"announcements,omitempty"`
}

// Advance implements findings.Store.
func (v Verification) Advance(ctx context.Context, judge func(findings.Chunk) findings.Verdict) (findings.Progress, error) {
	if behind, err := v.isBehind(ctx); err != nil || !behind {
		return findings.Progress{}, err
	}
	var (
		progress   findings.Progress
		generation int
		moved      mark
	)
	// Whoever waited for the lock must see what its holder has written.
	err := inTxAt(ctx, v.db, sql.LevelReadCommitted, func(ctx context.Context, tx *sql.Tx, inDoubt bool) error {
		var err error
		if generation, err = v.log.resolve(ctx, tx); err != nil || generation == 0 {
			return err
		}
		at, err := lockVerification(ctx, tx, generation)
		if err != nil {
			return err
		}
		// Read behind the lock, so that nothing is left behind whoever removes
		// the generation, which begins with the mark.
		if err := requireFed(ctx, tx, generation); err != nil {
			return err
		}
		if inDoubt && moved.through != 0 && at.pass == moved.pass && at.through >= moved.through {
			return errSettled
		}
		progress, moved, err = v.advance(ctx, tx, generation, at, judge)
		if errors.Is(err, errUnreadable) {
			progress, moved = findings.Progress{More: true}, at.anew()
			err = moveVerification(ctx, tx, generation, moved)
		}
		return err
	})
	if errors.Is(err, errNotFed) {
		return findings.Progress{}, nil
	}
	if err != nil {
		return findings.Progress{}, fmt.Errorf("verify the audit log: %w", err)
	}
	return progress, v.forget(ctx, generation, moved.pass)
}

// errNotFed says that a generation of the log is on its way out.
var errNotFed = errors.New("the generation is not fed")

func requireFed(ctx context.Context, tx *sql.Tx, generation int) error {
	var state projection.GenerationState
	err := tx.QueryRowContext(ctx, "SELECT state FROM projection_generations WHERE projection = ? AND generation = ?",
		projection.AuditName, generation).Scan(&state)
	if err != nil {
		return fmt.Errorf("read the state of generation %d: %w", generation, err)
	}
	if !state.IsFed() {
		return errNotFed
	}
	return nil
}

// isBehind looks without a lock whether there is something to do.
func (v Verification) isBehind(ctx context.Context) (bool, error) {
	complete, err := v.log.CompleteThrough(ctx)
	if err != nil {
		return false, err
	}
	verified, err := v.log.VerifiedThrough(ctx)
	return verified < complete || isAhead(verified, complete), err
}

// isAhead reports whether somebody has moved the mark by hand. While a
// partition has no watermark yet, that is not known.
func isAhead(verified, complete uint64) bool { return complete != 0 && verified > complete }

// advance verifies what follows the mark, and moves it.
func (v Verification) advance(
	ctx context.Context, tx *sql.Tx, generation int, at mark, judge func(findings.Chunk) findings.Verdict,
) (progress findings.Progress, moved mark, err error) {
	// Read before the entries: what it promises is there.
	complete, err := v.log.Of(generation).completeThrough(ctx, tx)
	if err == nil && isAhead(at.through, complete) {
		at = at.anew()
	}
	if err != nil || complete <= at.through {
		return progress, at, err
	}
	var chunk findings.Chunk
	moved = mark{pass: at.pass}
	if chunk.Entries, moved.through, err = nextEntries(ctx, tx, generation, at.through, complete); err != nil {
		return progress, at, err
	}
	var state verifierState
	if err := json.Unmarshal([]byte(at.state), &state); err != nil {
		return progress, at, fmt.Errorf("%w: the verifier's state: %w", errUnreadable, err)
	}
	chunk.Announcements = state.Announcements
	if chunk.Chains, err = loadChains(ctx, tx, generation, at.pass, chunk.Entries); err != nil {
		return progress, at, err
	}
	verdict := judge(chunk)
	if progress.New, err = replaceFindings(ctx, tx, generation, at.through, moved.through, verdict.Findings); err != nil {
		return progress, at, err
	}
	if err := replaceWaivers(ctx, tx, generation, at.through, moved.through, verdict.Waivers); err != nil {
		return progress, at, err
	}
	if err := saveChains(ctx, tx, generation, at.pass, chunk.Chains, verdict.Chains); err != nil {
		return progress, at, err
	}
	text, err := json.Marshal(verifierState{Announcements: verdict.Announcements})
	if err != nil {
		return progress, at, fmt.Errorf("write the verifier's state: %w", err)
	}
	moved.state = string(text)
	progress.More = moved.through < complete
	return progress, moved, moveVerification(ctx, tx, generation, moved)
}

// nextEntries reads entries beyond a TSO, up to another one. They end with
// the last of a commit; through is how far they go.
func nextEntries(ctx context.Context, tx *sql.Tx, generation int, after, complete uint64) (entries []domain.AuditEntry, through uint64, err error) {
	read := func(where string, args ...any) ([]domain.AuditEntry, error) {
		return readEntries(ctx, tx, "SELECT "+entryColumns+" FROM projection_audit_entries a WHERE a.generation = ? AND "+where,
			append([]any{generation}, args...)...)
	}
	entries, err = read("a.commit_ts > ? AND a.commit_ts <= ? ORDER BY a.commit_ts, a.table_name, a.row_key LIMIT ?", after, complete, chunkSize+1)
	if err != nil || len(entries) <= chunkSize {
		return entries, complete, err
	}
	last := entries[chunkSize].CommitTs
	whole := chunkSize
	for whole > 0 && entries[whole-1].CommitTs == last {
		whole--
	}
	if whole > 0 {
		return entries[:whole], entries[whole-1].CommitTs, nil
	}
	entries, err = read("a.commit_ts = ? ORDER BY a.table_name, a.row_key", last)
	return entries, last, err
}

// lockVerification holds the mark of a generation and returns it. It is made
// if it is not there.
func lockVerification(ctx context.Context, tx *sql.Tx, generation int) (at mark, err error) {
	const read = "SELECT pass, verified_through, state FROM projection_audit_verification WHERE generation = ? FOR UPDATE"
	scan := func() error { return tx.QueryRowContext(ctx, read, generation).Scan(&at.pass, &at.through, &at.state) }
	if err = scan(); errors.Is(err, sql.ErrNoRows) {
		_, err = tx.ExecContext(ctx, `
			INSERT IGNORE INTO projection_audit_verification (generation, pass, verified_through, state) VALUES (?, 0, 0, '{}')`, generation)
		if err == nil {
			err = scan()
		}
	}
	if err != nil {
		return at, fmt.Errorf("lock projection_audit_verification: %w", err)
	}
	return at, nil
}

func moveVerification(ctx context.Context, tx *sql.Tx, generation int, to mark) error {
	_, err := tx.ExecContext(ctx,
		"UPDATE projection_audit_verification SET pass = ?, verified_through = ?, state = ? WHERE generation = ?",
		to.pass, to.through, to.state, generation)
	if err != nil {
		return fmt.Errorf("move projection_audit_verification: %w", err)
	}
	return nil
}

// VerifiedThrough returns the TSO up to which the log is verified.
func (a AuditLog) VerifiedThrough(ctx context.Context) (through uint64, err error) {
	return a.verifiedThrough(ctx, a.db)
}

func (a AuditLog) verifiedThrough(ctx context.Context, from querier) (through uint64, err error) {
	number, of := a.number()
	err = from.QueryRowContext(ctx,
		"SELECT verified_through FROM projection_audit_verification WHERE generation = "+number, of).Scan(&through)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("read projection_audit_verification: %w", err)
	}
	return through, nil
}

// resolve returns the number of the log's generation, 0 if none is live yet.
func (a AuditLog) resolve(ctx context.Context, tx *sql.Tx) (generation int, err error) {
	if a.generation != 0 {
		return a.generation, nil
	}
	return live(ctx, tx, projection.AuditName)
}
