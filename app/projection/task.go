package projection

import (
	"errors"
	"fmt"
	"time"
)

// TaskKind is what is to be done.
type TaskKind string

// The kinds of tasks.
const (
	TaskRebuild  TaskKind = "rebuild"
	TaskRollback TaskKind = "rollback"
	TaskRetry    TaskKind = "retry"
)

// Task is something that a process wants done to projections which may not
// write them itself. A consumer does it, and goes on with it after a crash.
type Task struct {
	// ID is a UUID.
	ID   string
	Kind TaskKind
	// Projection is the name of one, or, for a retry, empty for all.
	Projection string
	// By says who asked for it.
	By string
	TaskDetails
	TaskState
}

// TaskDetails say what exactly.
type TaskDetails struct {
	// Verify and AcceptDiff are for a rebuild: see RebuildOptions.
	Verify     bool `json:"verify,omitempty"`
	AcceptDiff bool `json:"acceptDiff,omitempty"`
	// Generation is the one that a rollback makes live.
	Generation int `json:"generation,omitempty"`
	// Place is that of the dead letter of a retry.
	Place *Place `json:"place,omitempty"`
}

// TaskState is how a task is doing.
type TaskState struct {
	// Tries is how often a consumer has taken it up.
	Tries int
	// Expired says that nobody has taken it up, and nobody will.
	Expired bool
	// BegunAt is when it was clear that it is not refused, EndedAt when it was
	// done or had failed; zero until then.
	BegunAt, EndedAt time.Time
	// Err says why it failed: one of the errors that can be told apart, or any
	// other.
	Err error
	// Retried is what became of the dead letters.
	Retried []RetriedLetter
}

// taskRefusals are the errors of tasks that can be told apart.
var taskRefusals = map[string]error{
	"at-work": ErrAtWork, "no-generation": ErrNoGeneration, "behind": ErrBehind, "no-projection": ErrNoProjection,
	"no-dead-letter": ErrNoDeadLetter, "not-whole": ErrNotWhole,
}

// ErrAtWork says that somebody else works on the generations of a projection.
// An error that wraps it says who.
var ErrAtWork = errors.New("somebody else works on the projection")

// ErrNoConsumer says that nobody has taken a task up, and nobody will.
var ErrNoConsumer = errors.New("no consumer (helfy consume) has taken it up")

// TaskRefusal returns the name of the kind of an error, empty if it is of none.
func TaskRefusal(err error) string {
	for name, kind := range taskRefusals {
		if errors.Is(err, kind) {
			return name
		}
	}
	return ""
}

// TaskError is the error of a kind with a text, both as they are stored.
func TaskError(refusal, text string) error {
	if kind := taskRefusals[refusal]; kind != nil {
		return taskError{kind, text}
	}
	return fmt.Errorf("the consumer failed: %s", text)
}

// taskError is an error that another process has met.
type taskError struct {
	kind error
	text string
}

// Error implements error.
func (e taskError) Error() string { return e.text }

// Unwrap gives the kind.
func (e taskError) Unwrap() error { return e.kind }
