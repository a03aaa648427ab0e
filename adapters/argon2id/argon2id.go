// Package argon2id hashes passwords with argon2id (RFC 9106), in the PHC
// string format: https://github.com/P-H-C/phc-string-format
package argon2id

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync/atomic"

	"golang.org/x/crypto/argon2"

	"helfy/app/command"
	"helfy/domain"
)

// Params are argon2id's cost parameters.
type Params struct {
	MemoryKiB uint32
	Time      uint32
	Threads   uint8
}

// String writes the parameters as they stand in a PHC string.
func (p Params) String() string {
	return fmt.Sprintf("m=%d,t=%d,p=%d", p.MemoryKiB, p.Time, p.Threads)
}

// DefaultParams are the ones that OWASP names first:
// https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
var DefaultParams = Params{MemoryKiB: 19456, Time: 2, Threads: 1}

// Check returns what is wrong with parameters: argon2 wants 8 KiB for each
// thread, and hashes that cost more than a GiB or 64 passes are not verified.
func (p Params) Check() error {
	if p.Threads == 0 {
		return errors.New("want at least 1 thread")
	}
	if least := 8 * uint32(p.Threads); p.MemoryKiB < least || p.MemoryKiB > maxMemoryKiB {
		return fmt.Errorf("want %d to %d KiB of memory for %d threads, got %d", least, maxMemoryKiB, p.Threads, p.MemoryKiB)
	}
	if p.Time == 0 || p.Time > maxTime {
		return fmt.Errorf("want 1 to %d passes, got %d", maxTime, p.Time)
	}
	return nil
}

const (
	saltSize = 16
	hashSize = 32
	// The greatest cost of a stored hash that Verify pays, so that a row
	// written by hand cannot exhaust the machine.
	maxMemoryKiB = 1 << 20
	maxTime      = 64
)

// ErrMalformed says that a stored hash is no argon2id PHC string.
var ErrMalformed = errors.New("malformed argon2id hash")

// Hasher implements command.Hasher. It is safe for concurrent use.
type Hasher struct {
	params Params
	// slots bounds the hashes under way, running those of them that compute:
	// more than there are processors would only slow each other down.
	slots, running chan struct{}
	dummy          string
}

var _ command.Hasher = (*Hasher)(nil)

// New returns a hasher that computes at most concurrency hashes at once.
func New(params Params, concurrency int) (*Hasher, error) {
	if concurrency < 1 {
		return nil, fmt.Errorf("hash concurrency %d: want at least 1", concurrency)
	}
	if err := params.Check(); err != nil {
		return nil, fmt.Errorf("hash parameters %s: %w", params, err)
	}
	h := &Hasher{
		params: params, slots: make(chan struct{}, concurrency),
		running: make(chan struct{}, min(concurrency, runtime.GOMAXPROCS(0))),
	}
	dummy, err := h.Hash(context.Background(), domain.NewSecret(rand.Text()))
	if err != nil {
		return nil, err
	}
	h.dummy = dummy
	return h, nil
}

// Dummy implements command.Hasher.
func (h *Hasher) Dummy() string { return h.dummy }

// Load is how busy a hasher is.
type Load struct {
	// Held are the places that are taken, of Limit; Running of them compute
	// just now. The others wait for a processor, or for the database.
	Held, Running, Limit int
}

// Load returns how busy the hasher is.
func (h *Hasher) Load() Load {
	return Load{Held: len(h.slots), Running: len(h.running), Limit: cap(h.slots)}
}

// NeedsRehash implements command.Hasher. What is no hash needs none.
func (h *Hasher) NeedsRehash(hash string) bool {
	params, salt, sum, err := parse(hash)
	return err == nil && (params != h.params || len(salt) != saltSize || len(sum) != hashSize)
}

// Reserve implements command.Hasher.
func (h *Hasher) Reserve(ctx context.Context) (reserved context.Context, free func(), err error) {
	select {
	case h.slots <- struct{}{}:
	default:
		return nil, nil, command.ErrBusy
	}
	held := &atomic.Bool{}
	held.Store(true)
	return context.WithValue(ctx, reservation{h}, held), func() {
		if held.Swap(false) {
			<-h.slots
		}
	}, nil
}

// reservation is the context's key of a slot of a hasher, true while held.
type reservation struct{ *Hasher }

// Hash implements command.Hasher.
func (h *Hasher) Hash(ctx context.Context, password domain.Secret) (string, error) {
	var salt [saltSize]byte
	// crypto/rand.Read never returns an error: it ends the program instead.
	_, _ = rand.Read(salt[:])
	var sum []byte
	err := h.inSlot(ctx, func() { sum = compute(password, salt[:], h.params, hashSize) })
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("$argon2id$v=%d$%s$%s$%s", argon2.Version,
		h.params, encoding.EncodeToString(salt[:]), encoding.EncodeToString(sum)), nil
}

// Verify implements command.Hasher.
func (h *Hasher) Verify(ctx context.Context, hash string, password domain.Secret) (bool, error) {
	params, salt, want, err := parse(hash)
	if err != nil {
		return false, err
	}
	var same bool
	err = h.inSlot(ctx, func() {
		got := compute(password, salt, params, uint32(len(want)))
		same = subtle.ConstantTimeCompare(got, want) == 1
	})
	return same, err
}

// inSlot runs work if fewer than the allowed number are under way, and returns
// command.ErrBusy otherwise: waiting would only make the queue longer.
func (h *Hasher) inSlot(ctx context.Context, work func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if held, ok := ctx.Value(reservation{h}).(*atomic.Bool); !ok || !held.Load() {
		_, free, err := h.Reserve(ctx)
		if err != nil {
			return err
		}
		defer free()
	}
	select {
	case h.running <- struct{}{}:
		defer func() { <-h.running }()
		work()
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func compute(password domain.Secret, salt []byte, p Params, size uint32) []byte {
	return argon2.IDKey([]byte(password.Reveal()), salt, p.Time, p.MemoryKiB, p.Threads, size)
}

var encoding = base64.RawStdEncoding.Strict()

// parse reads a PHC string. Its errors wrap ErrMalformed and do not show it.
func parse(hash string) (p Params, salt, sum []byte, err error) {
	fields := strings.Split(hash, "$")
	if len(fields) != 6 || fields[0] != "" || fields[1] != "argon2id" {
		return p, nil, nil, fmt.Errorf("%w: want $argon2id$v=…$m=…,t=…,p=…$salt$hash", ErrMalformed)
	}
	if fields[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, nil, nil, fmt.Errorf("%w: unsupported version", ErrMalformed)
	}
	if _, err := fmt.Sscanf(fields[3], "m=%d,t=%d,p=%d", &p.MemoryKiB, &p.Time, &p.Threads); err != nil {
		return p, nil, nil, fmt.Errorf("%w: parameters", ErrMalformed)
	}
	if fields[3] != p.String() { // Sscanf ignores what follows
		return p, nil, nil, fmt.Errorf("%w: parameters", ErrMalformed)
	}
	if p.MemoryKiB == 0 || p.MemoryKiB > maxMemoryKiB || p.Time == 0 || p.Time > maxTime || p.Threads == 0 {
		return p, nil, nil, fmt.Errorf("%w: parameters out of range", ErrMalformed)
	}
	if salt, err = encoding.DecodeString(fields[4]); err != nil || len(salt) < 8 {
		return p, nil, nil, fmt.Errorf("%w: salt", ErrMalformed)
	}
	if sum, err = encoding.DecodeString(fields[5]); err != nil || len(sum) < 16 || len(sum) > math.MaxUint16 {
		return p, nil, nil, fmt.Errorf("%w: hash", ErrMalformed)
	}
	return p, salt, sum, nil
}
