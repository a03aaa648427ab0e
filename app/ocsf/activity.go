package ocsf

import "helfy/domain"

// activity is what an event is in the schema.
type activity struct {
	class, id        int
	name             string
	severity, status int
}

// activities are those of the events. An event that is not here is an
// Entity Management, Other.
var activities = map[domain.EventType]activity{
	domain.LoginSuccess:   {authentication, 1, "Logon", informational, success},
	domain.LoginFailure:   {authentication, 1, "Logon", low, failure},
	domain.Logout:         {authentication, 2, "Logoff", informational, success},
	domain.SessionRevoked: {authentication, 2, "Logoff", informational, success},
	domain.SessionExpired: {authentication, 2, "Logoff", informational, success},
	domain.SessionForged:  {authentication, other, "Forged Session", high, failure},

	domain.UserCreated:     {accountChange, 1, "Create", informational, success},
	domain.AccountEnabled:  {accountChange, 2, "Enable", informational, success},
	domain.PasswordChanged: {accountChange, 3, "Password Change", informational, success},
	domain.PasswordReset:   {accountChange, 4, "Password Reset", informational, success},
	domain.AccountDisabled: {accountChange, 5, "Disable", informational, success},
	domain.UserDeleted:     {accountChange, 6, "Delete", informational, success},
	domain.UserLocked:      {accountChange, 9, "Lock", medium, success},
	domain.UserUnlocked:    {accountChange, other, "Unlock", informational, success},
	domain.RoleChanged:     {accountChange, other, "Role Change", medium, success},
	domain.UsernameChanged: {accountChange, other, "Rename", informational, success},

	domain.AuditRead:             {entityManagement, 2, "Read", informational, success},
	domain.DeadLetterWaived:      {entityManagement, 3, "Update", medium, success},
	domain.DeadLetterRetry:       {entityManagement, 3, "Update", informational, success},
	domain.ProjectionRebuild:     {entityManagement, 3, "Update", informational, success},
	domain.ProjectionRollback:    {entityManagement, 3, "Update", medium, success},
	domain.SchemaChangeAnnounced: {entityManagement, 3, "Update", informational, success},
	domain.SchemaChangeDone:      {entityManagement, 3, "Update", informational, success},
}

// entityTypes name what the events of Entity Management are about, and the
// member of the payload that names it.
var entityTypes = map[domain.EventType][2]string{
	domain.AuditRead:             {"audit log", "route"},
	domain.DeadLetterWaived:      {"dead letter", "topic"},
	domain.DeadLetterRetry:       {"dead letter", "place"},
	domain.ProjectionRebuild:     {"projection", "projection"},
	domain.ProjectionRollback:    {"projection", "projection"},
	domain.SchemaChangeAnnounced: {"database schema", "migration"},
	domain.SchemaChangeDone:      {"database schema", "migration"},
}

// changes are the activities of changed rows. A schema change is Other.
var changes = map[string]activity{
	"INSERT": {entityManagement, 1, "Create", informational, success},
	"UPDATE": {entityManagement, 3, "Update", informational, success},
	"DELETE": {entityManagement, 4, "Delete", informational, success},
}
