package notification

import (
	"slices"

	"helfy/app/projection"
	"helfy/domain"
)

// PlaceKind says what of a place it is.
type PlaceKind string

// The kinds.
const (
	Network PlaceKind = "network"
	Device  PlaceKind = "device"
)

// Place is where somebody has signed in from, or with what.
type Place struct {
	UserID domain.UserID
	Kind   PlaceKind
	Name   string
}

// Places are those that are known, by user.
type Places map[domain.UserID]map[Place]bool

// Add makes a place known.
func (p Places) Add(place Place) {
	if p[place.UserID] == nil {
		p[place.UserID] = map[Place]bool{}
	}
	p[place.UserID][place] = true
}

// Decision is what follows from events.
type Decision struct {
	Messages []Message
	// Forgotten are users of whom no place is known any more; Learned are the
	// places that are new after that.
	Forgotten []domain.UserID
	Learned   []Place
}

// Decide goes through events in the order of the topic. known must have all
// places of their users; it is changed. Only of what was committed after since
// there are messages, but all of it is learned from. The first login of a user
// is from no new place. An event that comes again is from a known place, or
// gives the same message again.
func Decide(known Places, since uint64, notables []projection.Notable) Decision {
	var decision Decision
	for _, notable := range notables {
		message, worth := Message{}, false
		switch notable.Type {
		case domain.UserDeleted:
			decision.forget(known, notable.UserID)
		case domain.UserLocked:
			message, worth = ofLock(notable), true
		case domain.LoginSuccess:
			first := len(known[notable.UserID]) == 0
			fresh := decision.learn(known, notable)
			message, worth = ofEvent(NewPlace, notable), len(fresh) > 0 && !first
			message.Data.New = fresh
		}
		if worth && notable.CommitTs > since {
			decision.Messages = append(decision.Messages, message)
		}
	}
	return decision
}

func ofLock(notable projection.Notable) Message {
	message := ofEvent(Locked, notable)
	message.Data.Failures, message.Data.LockedNetwork = notable.Failures, notable.LockedNetwork
	if !notable.Until.IsZero() {
		message.Data.Until = &notable.Until
	}
	return message
}

// learn makes the places of a login known and returns which of them were not.
func (d *Decision) learn(known Places, login projection.Notable) (fresh []PlaceKind) {
	for _, place := range []Place{
		{login.UserID, Network, domain.NetworkOf(login.IP)},
		{login.UserID, Device, login.Device},
	} {
		if place.Name == "" || known[login.UserID][place] {
			continue
		}
		known.Add(place)
		d.Learned = append(d.Learned, place)
		fresh = append(fresh, place.Kind)
	}
	return fresh
}

func (d *Decision) forget(known Places, user domain.UserID) {
	delete(known, user)
	d.Forgotten = append(d.Forgotten, user)
	d.Learned = slices.DeleteFunc(d.Learned, func(place Place) bool { return place.UserID == user })
}
