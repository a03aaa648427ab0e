package tidb_test

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"testing"

	"github.com/go-sql-driver/mysql"

	"helfy/adapters/tidb"
)

func TestAnOutageIsWhatMayPass(t *testing.T) {
	answer := func(code uint16, message string) error {
		return fmt.Errorf("look for users: %w", &mysql.MySQLError{Number: code, Message: message})
	}
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"nothing":                       {nil, false},
		"another error":                 {errors.New("another"), false},
		"a broken connection":           {driver.ErrBadConn, true},
		"PD does not answer":            {answer(9001, "PD server timeout"), true},
		"a region is unavailable":       {answer(9005, "Region is unavailable"), true},
		"the schema cannot be read":     {answer(8027, "Information schema is out of date"), true},
		"a lock is held for long":       {answer(1205, "Lock wait timeout exceeded; try restarting transaction"), true},
		"a deadlock":                    {answer(1213, "Deadlock found when trying to get lock; try restarting transaction"), true},
		"locks that were met too often": {answer(1105, "pessimistic lock retry limit reached"), true},
		"an error without a code":       {answer(1105, "index out of range"), false},
		"a row that it never takes":     {answer(1406, "Data too long for column 'username' at row 1"), false},
		"a duplicate":                   {answer(1062, "Duplicate entry '1' for key 'users.PRIMARY'"), false},
		"a refused account":             {fmt.Errorf("%w: %w", tidb.ErrRefused, answer(9005, "Region is unavailable")), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tidb.IsOutage(c.err); got != c.want {
				t.Errorf("%v: got %t, want %t", c.err, got, c.want)
			}
		})
	}
}
