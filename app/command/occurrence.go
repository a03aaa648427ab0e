package command

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"helfy/domain"
)

// actorSystem is the actor of what the service does by itself.
const actorSystem = "system"

// newOccurrence gives a command's event its identity.
func newOccurrence(at time.Time, origin domain.Origin, actor string) (domain.Occurrence, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return domain.Occurrence{}, fmt.Errorf("make event id: %w", err)
	}
	origin.Actor = actor
	return domain.Occurrence{EventID: id.String(), At: at, Origin: origin}, nil
}
