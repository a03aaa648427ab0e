package domain

import "errors"

// ErrLastAdmin says that somebody is the last active administrator, and must
// stay one.
var ErrLastAdmin = errors.New("the last active administrator must stay")

// ChangeRole gives the user a role; the one that it has already is no change.
// otherAdmin says whether there is an active administrator besides this user;
// without one, an administrator stays: ErrLastAdmin.
func (u *User) ChangeRole(role Role, otherAdmin bool, occurrence Occurrence) error {
	from := u.state.Role
	if from == role {
		return nil
	}
	if err := u.mayGo(otherAdmin); err != nil {
		return err
	}
	u.state.Role = role
	u.record(RoleChanged, occurrence, struct {
		subject
		From Role `json:"from"`
		To   Role `json:"to"`
	}{u.subject(), from, role})
	return nil
}

// Disable ends the given sessions and refuses new ones; a disabled user stays
// as it is. otherAdmin is as in ChangeRole.
func (u *User) Disable(sessions []Session, otherAdmin bool, occurrence Occurrence) error {
	if u.state.Status == StatusDisabled {
		return nil
	}
	if err := u.mayGo(otherAdmin); err != nil {
		return err
	}
	u.state.Status = StatusDisabled
	u.recordEnd(AccountDisabled, sessions, occurrence)
	return nil
}

// Enable lets the user sign in again; an active user stays as it is.
func (u *User) Enable(occurrence Occurrence) {
	if u.state.Status == StatusActive {
		return
	}
	u.state.Status = StatusActive
	u.record(AccountEnabled, occurrence, u.subject())
}

// Rename gives the user another name; the one that it has already is no
// change.
func (u *User) Rename(name Username, occurrence Occurrence) {
	from := u.state.Username
	if from == name {
		return
	}
	u.state.Username = name
	u.record(UsernameChanged, occurrence, struct {
		subject
		From string `json:"from"`
		To   string `json:"to"`
	}{u.subject(), from.String(), name.String()})
}

// ChangePassword stores a password that the user has chosen, and ends the
// given sessions.
func (u *User) ChangePassword(passwordHash string, sessions []Session, occurrence Occurrence) {
	u.recordEnd(PasswordChanged, sessions, occurrence)
	u.setCredential(Credential{PasswordHash: passwordHash})
}

// ResetPassword stores a password that an administrator has chosen, which the
// user must change before anything else, and ends the given sessions.
func (u *User) ResetPassword(passwordHash string, sessions []Session, occurrence Occurrence) {
	u.recordEnd(PasswordReset, sessions, occurrence)
	u.setCredential(Credential{PasswordHash: passwordHash, MustChange: true})
}

// Delete ends the user for good: whoever stores it removes it with its
// credential and sessions. otherAdmin is as in ChangeRole.
func (u *User) Delete(otherAdmin bool, occurrence Occurrence) error {
	if err := u.mayGo(otherAdmin); err != nil {
		return err
	}
	u.pending.Deleted = true
	u.record(UserDeleted, occurrence, u.subject())
	return nil
}

// mayGo returns ErrLastAdmin if there would be no active administrator left
// without the user.
func (u *User) mayGo(otherAdmin bool) error {
	if u.state.Role == RoleAdmin && u.state.Status == StatusActive && !otherAdmin {
		return ErrLastAdmin
	}
	return nil
}

// recordEnd records an event that ends sessions.
func (u *User) recordEnd(kind EventType, sessions []Session, occurrence Occurrence) {
	u.record(kind, occurrence, struct {
		subject
		SessionIDs []string `json:"sessionIds,omitempty"`
	}{u.subject(), u.revoke(sessions, occurrence.At)})
}

// setCredential seals a credential as set by the event that was recorded last.
func (u *User) setCredential(credential Credential) {
	credential.UserID, credential.Seq = u.state.ID, u.state.Head.Seq
	u.state.PasswordSeq = credential.Seq
	credential = credential.seal(u.keyring)
	u.pending.Credential = &credential
}
