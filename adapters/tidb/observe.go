package tidb

import (
	"context"
	"database/sql"

	"helfy/domain"
)

// Observe is told of each transaction of a command when it begins, and by what
// it returns how it ended, after all its attempts. The transaction goes on with
// the context that it returns. command is one of Commands. It is called from
// many goroutines.
type Observe func(ctx context.Context, command string) (inside context.Context, ended func(error))

// The commands whose transactions are observed.
const (
	commandLogIn         = "log_in"
	commandRefuse        = "refuse"
	commandRefuseUnknown = "refuse_unknown"
	commandCountTries    = "count_tries"
	commandCreateUser    = "create_user"
	commandChangeUser    = "change_user"
	commandUpdateUser    = "update_user"
	commandEndSessions   = "end_sessions"
	commandEndNamed      = "end_named_sessions"
	commandRecordFloods  = "record_floods"
	commandAppendToChain = "append_to_chain"
)

// Commands are the names that an Observe is given.
var Commands = []string{
	commandLogIn, commandRefuse, commandRefuseUnknown, commandCountTries, commandCreateUser, commandChangeUser,
	commandUpdateUser, commandEndSessions, commandEndNamed, commandRecordFloods, commandAppendToChain,
}

// writing is what appends to chains.
type writing struct {
	db      *sql.DB
	keyring *domain.Keyring
	observe Observe // nil for nobody
}

// inTx is inTx for a command.
func (w writing) inTx(ctx context.Context, command string, fn txFunc) error {
	if w.observe == nil {
		return inTx(ctx, w.db, fn)
	}
	ctx, ended := w.observe(ctx, command)
	err := inTx(ctx, w.db, fn)
	ended(err)
	return err
}
