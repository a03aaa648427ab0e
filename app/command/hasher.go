package command

import (
	"context"
	"errors"

	"helfy/domain"
)

// ErrBusy says that as many hashes as allowed are under way. It comes at once,
// without queueing.
var ErrBusy = errors.New("too many logins at once")

// Hasher hashes passwords slowly, a bounded number at once.
type Hasher interface {
	// Hash returns a PHC string, or ErrBusy.
	Hash(ctx context.Context, password domain.Secret) (string, error)
	// Verify reports whether the hash is the password's. It returns ErrBusy,
	// or an error if the hash is malformed.
	Verify(ctx context.Context, hash string, password domain.Secret) (bool, error)
	// Reserve takes one of the places for hashes, or returns ErrBusy. Hash and
	// Verify with the context that it returns need no other place, one after
	// the other, until free is called, which may be called again. Whoever
	// waits for something else must not hold a place.
	Reserve(ctx context.Context) (reserved context.Context, free func(), err error)
	// NeedsRehash reports whether a hash has other parameters than Hash gives.
	NeedsRehash(hash string) bool
	// Dummy returns a hash of the same cost that no password has.
	Dummy() string
}
