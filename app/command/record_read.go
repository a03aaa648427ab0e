package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"helfy/domain"
)

// RecordRead says that somebody is about to read of the audit trail.
type RecordRead struct {
	Reading domain.Reading
	Origin  domain.Origin
}

// Names tells whose names there are.
type Names interface {
	// Account is that of Logins.
	Account(ctx context.Context, name domain.Username, network string) (Account, error)
}

// RecordReadHandler records readings. It is safe for concurrent use.
type RecordReadHandler struct {
	Chains Chains
	// Names finds users by name.
	Names   Names
	Keyring *domain.Keyring
	Now     func() time.Time
	Recent  *RecentReadings
}

// Handle records a reading, once for each reader, route, filter and minute of
// the clock, whichever instances are asked and how often. Whoever reads on
// without it leaves no trace: its errors, those of the database, must stop
// the reading.
func (h RecordReadHandler) Handle(ctx context.Context, record RecordRead) error {
	now := h.Now()
	minute := now.Unix() / 60
	asked, err := readingID(record.Reading, minute)
	if err != nil {
		return err
	}
	if h.Recent.has(asked, minute) {
		return nil
	}
	if record.Reading, err = h.mask(ctx, record.Reading); err != nil {
		return err
	}
	// Of what is masked: the id of an event must not tell more than its payload.
	id, err := readingID(record.Reading, minute)
	if err != nil {
		return err
	}
	record.Origin.Actor = "user:" + record.Reading.UserID.String()
	occurrence := domain.Occurrence{EventID: id.String(), At: now, Origin: record.Origin}
	err = h.Chains.Append(ctx, record.Reading.Chain(), func(head domain.Head) (domain.Event, domain.Head) {
		return domain.ReadAudit(h.Keyring, head, record.Reading, occurrence)
	})
	if err != nil {
		return err
	}
	h.Recent.add(asked, minute)
	return nil
}

// mask hides names that nobody has: they may be passwords pasted into the
// wrong field.
func (h RecordReadHandler) mask(ctx context.Context, reading domain.Reading) (domain.Reading, error) {
	for parameter, known := range map[string]func(context.Context, string) (bool, error){
		"user":  h.isUser,
		"table": func(_ context.Context, name string) (bool, error) { return domain.IsFed(name), nil },
	} {
		name, asked := reading.Filter[parameter]
		if !asked {
			continue
		}
		ok, err := known(ctx, name)
		if err != nil {
			return reading, err
		}
		if !ok {
			reading = reading.Masked(h.Keyring, parameter)
		}
	}
	return reading, nil
}

func (h RecordReadHandler) isUser(ctx context.Context, text string) (bool, error) {
	name, err := domain.NewUsername(text)
	if err != nil {
		return false, nil //nolint:nilerr // such a name is nobody's
	}
	if _, err = h.Names.Account(ctx, name, ""); errors.Is(err, ErrUserNotFound) {
		return false, nil
	}
	return err == nil, err
}

// readingSpace is the namespace of the ids of these events, a random UUID.
var readingSpace = uuid.MustParse("8f6c1f4e-3c1b-4c8e-9a2f-5d0e7b1a6c43")

// readingID returns the same id (UUIDv5) for the same reading in the same
// minute: the database keeps one event of each id.
func readingID(reading domain.Reading, minute int64) (uuid.UUID, error) {
	reading.Username = "" // it may change meanwhile
	name, err := json.Marshal(struct {
		domain.Reading
		Minute int64
	}{reading, minute})
	if err != nil {
		return uuid.UUID{}, fmt.Errorf("name a reading: %w", err)
	}
	return uuid.NewSHA1(readingSpace, name), nil
}

// maxRecent bounds how many readings are remembered. Beyond, the database is
// asked.
const maxRecent = 1024

// RecentReadings remembers what was recorded in the newest minute, so that the
// database is not asked again. The zero value is empty. It is safe for
// concurrent use.
type RecentReadings struct {
	mu     sync.Mutex
	minute int64
	ids    map[uuid.UUID]struct{}
}

func (r *RecentReadings) has(id uuid.UUID, minute int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.ids[id]
	return ok && r.minute == minute
}

func (r *RecentReadings) add(id uuid.UUID, minute int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.minute != minute || r.ids == nil {
		r.minute, r.ids = minute, map[uuid.UUID]struct{}{}
	}
	if len(r.ids) < maxRecent {
		r.ids[id] = struct{}{}
	}
}
