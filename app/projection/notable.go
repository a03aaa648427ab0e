package projection

import (
	"time"

	"helfy/canaljson"
	"helfy/domain"
)

// NotificationsName is the name of the projection that notifications are made
// by. It acts, and so is never rebuilt.
const NotificationsName = "notifications"

// Notable is an event that notifications tell of or depend on.
type Notable struct {
	EventID  string
	CommitTs uint64
	// Type is LoginSuccess, UserLocked or UserDeleted.
	Type     domain.EventType
	UserID   domain.UserID
	Username string
	IP       string
	Device   string // family of the user agent
	// Failures, Until and LockedNetwork describe a lock; LockedNetwork is
	// empty if it holds everywhere but in known networks.
	Failures      int
	Until         time.Time
	LockedNetwork string
}

// maxEventID is the length of a UUID.
const maxEventID = 36

// Notables makes a Notable of each event that is one.
type Notables struct{}

// Project implements Projection.
func (Notables) Project(_ Record, message canaljson.Message) ([]Notable, error) {
	change, ok := message.(*canaljson.Change)
	if !ok || change.Table != outboxTable || change.Operation != canaljson.Insert {
		return nil, nil
	}
	if change.CommitTs == 0 {
		return nil, errNoCommitTs
	}
	row := reader{row: change.New}
	kind := domain.EventType(row.text("type"))
	if kind != domain.LoginSuccess && kind != domain.UserLocked && kind != domain.UserDeleted ||
		row.text("aggregatetype") != domain.AggregateUser {
		return nil, row.err
	}
	var payload struct {
		Username string    `json:"username"`
		Failures int       `json:"failures"`
		Until    time.Time `json:"until"`
		Network  string    `json:"network"`
	}
	var origin domain.Origin
	row.object("payload", &payload)
	row.object("metadata", &origin)
	notable := Notable{
		EventID: row.bounded("id", maxEventID, row.text("id")), CommitTs: change.CommitTs, Type: kind,
		UserID:   domain.UserID(row.integer("aggregateid")),
		Username: row.bounded("payload", domain.MaxUsername, payload.Username),
		IP:       row.bounded("metadata", maxIP, origin.IP), Device: domain.DeviceOf(origin.UserAgent),
		Failures: payload.Failures, Until: payload.Until,
		LockedNetwork: row.bounded("payload", maxIP, payload.Network),
	}
	if row.err != nil {
		return nil, row.err
	}
	return []Notable{notable}, nil
}
