package command

import (
	"context"
	"errors"

	"helfy/domain"
)

// ErrBusy says that as many hashes as allowed are being computed. It comes at
// once, without queueing.
var ErrBusy = errors.New("too many logins at once")

// Hasher hashes passwords slowly, a bounded number at once.
type Hasher interface {
	// Hash returns a PHC string, or ErrBusy.
	Hash(ctx context.Context, password domain.Secret) (string, error)
	// Verify reports whether the hash is the password's. It returns ErrBusy,
	// or an error if the hash is malformed.
	Verify(ctx context.Context, hash string, password domain.Secret) (bool, error)
	// Busy reports whether Verify would be refused at this moment.
	Busy() bool
	// NeedsRehash reports whether a hash has other parameters than Hash gives.
	NeedsRehash(hash string) bool
	// Dummy returns a hash of the same cost that no password has.
	Dummy() string
}
