package tidb

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"helfy/app/projection"
)

// Tasks keeps what is to be done to projections. It goes by the database's
// clock. It is safe for concurrent use.
type Tasks struct{ db *sql.DB }

// NewTasks returns the tasks that db keeps.
func NewTasks(db *sql.DB) Tasks { return Tasks{db: db} }

// Add keeps a task, which somebody must take up within some time.
func (t Tasks) Add(ctx context.Context, task projection.Task, within time.Duration) error {
	details, err := json.Marshal(task.TaskDetails)
	if err != nil {
		return fmt.Errorf("write a task's details: %w", err)
	}
	_, err = t.db.ExecContext(ctx, `
		INSERT INTO tasks (id, kind, projection, asked_by, details, asked_at, expires_at)
		VALUES (?, ?, ?, ?, ?, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND)`,
		task.ID, task.Kind, task.Projection, task.By, details, within.Microseconds())
	if err != nil {
		return fmt.Errorf("keep a task: %w", err)
	}
	return nil
}

const taskColumns = `id, kind, projection, asked_by, details, tries, tries = 0 AND expires_at < UTC_TIMESTAMP(6),
	begun_at, ended_at, refusal, COALESCE(error, ''), COALESCE(result, 'null') FROM tasks`

// Get returns the task of an id.
func (t Tasks) Get(ctx context.Context, id string) (projection.Task, error) {
	task, err := scanTask(t.db.QueryRowContext(ctx, "SELECT "+taskColumns+" WHERE id = ?", id).Scan)
	if err != nil {
		return task, fmt.Errorf("read task %s: %w", id, err)
	}
	return task, nil
}

// maxOpenTasks bounds how many tasks are looked at.
const maxOpenTasks = 100

// Open returns the tasks that are neither done nor expired, the oldest first.
func (t Tasks) Open(ctx context.Context) (open []projection.Task, err error) {
	rows, err := t.db.QueryContext(ctx, "SELECT "+taskColumns+`
		WHERE ended_at IS NULL AND (tries > 0 OR expires_at >= UTC_TIMESTAMP(6)) ORDER BY asked_at, id LIMIT ?`, maxOpenTasks)
	if err != nil {
		return nil, fmt.Errorf("look for tasks: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		task, err := scanTask(rows.Scan)
		if err != nil {
			return nil, fmt.Errorf("read a task: %w", err)
		}
		open = append(open, task)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("look for tasks: %w", err)
	}
	return open, nil
}

// Take takes up a task, unless it has expired meanwhile.
func (t Tasks) Take(ctx context.Context, id string) (taken bool, err error) {
	result, err := t.db.ExecContext(ctx, `
		UPDATE tasks SET tries = tries + 1
		WHERE id = ? AND ended_at IS NULL AND (tries > 0 OR expires_at >= UTC_TIMESTAMP(6))`, id)
	if err != nil {
		return false, fmt.Errorf("take up task %s: %w", id, err)
	}
	count, err := result.RowsAffected()
	return count == 1, err
}

// Return gives a task back to whoever takes it up next, as if it had not been
// taken up; that it was once keeps it from expiring.
func (t Tasks) Return(ctx context.Context, id string) error {
	_, err := t.db.ExecContext(ctx, "UPDATE tasks SET tries = tries - 1 WHERE id = ? AND tries > 1", id)
	if err != nil {
		return fmt.Errorf("give task %s back: %w", id, err)
	}
	return nil
}

// Begin says that a task is not refused.
func (t Tasks) Begin(ctx context.Context, id string) error {
	_, err := t.db.ExecContext(ctx, "UPDATE tasks SET begun_at = COALESCE(begun_at, UTC_TIMESTAMP(6)) WHERE id = ?", id)
	if err != nil {
		return fmt.Errorf("begin task %s: %w", id, err)
	}
	return nil
}

// End says how a task ended.
func (t Tasks) End(ctx context.Context, id string, state projection.TaskState) error {
	result, err := json.Marshal(state.Retried)
	if err != nil {
		return fmt.Errorf("write the result of task %s: %w", id, err)
	}
	var text sql.NullString
	if state.Err != nil {
		text = sql.NullString{String: state.Err.Error(), Valid: true}
	}
	_, err = t.db.ExecContext(ctx,
		"UPDATE tasks SET ended_at = UTC_TIMESTAMP(6), refusal = ?, error = ?, result = ? WHERE id = ?",
		projection.TaskRefusal(state.Err), text, result, id)
	if err != nil {
		return fmt.Errorf("end task %s: %w", id, err)
	}
	return nil
}

// Forget removes the tasks that were asked for longer ago than some time and
// are not open.
func (t Tasks) Forget(ctx context.Context, age time.Duration) error {
	_, err := t.db.ExecContext(ctx, `
		DELETE FROM tasks WHERE asked_at < UTC_TIMESTAMP(6) - INTERVAL ? MICROSECOND AND (ended_at IS NOT NULL OR tries = 0)`,
		age.Microseconds())
	if err != nil {
		return fmt.Errorf("forget old tasks: %w", err)
	}
	return nil
}

func scanTask(scan func(...any) error) (projection.Task, error) {
	var (
		task            projection.Task
		details, result []byte
		begun, ended    sql.NullTime
		refusal, text   string
	)
	err := scan(&task.ID, &task.Kind, &task.Projection, &task.By, &details, &task.Tries, &task.Expired,
		&begun, &ended, &refusal, &text, &result)
	if err == nil {
		err = json.Unmarshal(details, &task.TaskDetails)
	}
	if err == nil {
		err = json.Unmarshal(result, &task.Retried)
	}
	task.BegunAt, task.EndedAt = begun.Time, ended.Time
	if text != "" {
		task.Err = projection.TaskError(refusal, text)
	}
	return task, err
}
