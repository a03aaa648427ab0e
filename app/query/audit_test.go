package query_test

import (
	"testing"

	"helfy/app/query"
	"helfy/domain"
)

func TestAFilterChoosesNothingWhereItsConditionsExcludeEachOther(t *testing.T) {
	for name, c := range map[string]struct {
		filter  query.AuditFilter
		nothing bool
	}{
		"no condition":                    {query.AuditFilter{}, false},
		"an event of a user":              {query.AuditFilter{UserID: 1, EventType: domain.LoginSuccess, IP: "192.0.2.1", Source: domain.SourceEvent}, false},
		"an event in the outbox":          {query.AuditFilter{EventType: domain.LoginSuccess, Table: "outbox"}, false},
		"an event, named with a space":    {query.AuditFilter{EventType: domain.LoginSuccess, Table: "outbox "}, false},
		"an event in another table":       {query.AuditFilter{EventType: domain.LoginSuccess, Table: "users"}, true},
		"an event with an operation":      {query.AuditFilter{EventType: domain.LoginSuccess, Operation: "UPDATE"}, true},
		"an address of a change":          {query.AuditFilter{IP: "192.0.2.1", Source: domain.SourceChange}, true},
		"a change with a type":            {query.AuditFilter{Source: domain.SourceChange, EventType: domain.LoginSuccess}, true},
		"events in another table":         {query.AuditFilter{Source: domain.SourceEvent, Table: "users"}, true},
		"an update of users":              {query.AuditFilter{Source: domain.SourceChange, Table: "users", Operation: "UPDATE"}, false},
		"a schema change of the outbox":   {query.AuditFilter{Table: "outbox", Operation: "TRUNCATE"}, false},
		"readings, which nothing forbids": {query.AuditFilter{EventType: domain.AuditRead}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.filter.ChoosesNothing(); got != c.nothing {
				t.Errorf("got %t, want %t", got, c.nothing)
			}
		})
	}
}
