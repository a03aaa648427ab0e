package tidb

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// isServerError reports whether TiDB itself answered with the error, so that
// the statement certainly had no effect.
func isServerError(err error) bool {
	var answer *mysql.MySQLError
	return errors.As(err, &answer)
}

// isConnectionError reports whether the database could not be asked.
func isConnectionError(err error) bool {
	var network net.Error
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn) ||
		errors.Is(err, io.EOF) || errors.As(err, &network)
}

// IsOutage reports whether what was asked of the database may succeed when it
// is asked again: it could not be reached, or somebody holds a lock for long. What
// wraps ErrRefused is none.
func IsOutage(err error) bool {
	if errors.Is(err, ErrRefused) {
		return false
	}
	return errors.Is(err, ErrLockLost) || isConflict(err) || isOutage(err)
}

// isOutage reports whether the database or a part of its cluster could not be
// asked, or somebody held a lock for long.
func isOutage(err error) bool {
	switch errorCode(err) {
	case codeServerShutdown, codeLockWaitTimeout, codeSchemaExpired, codePDTimeout, codeTiKVTimeout, codeTiKVBusy,
		codeResolveTimeout, codeRegionUnavailable, codeStoreLimit, codeStaleCommand, codeNotSynced:
		return true
	}
	return isConnectionError(err)
}

// TiDB's error codes: https://docs.pingcap.com/tidb/stable/error-codes
const (
	codeDatabaseDenied    = 1044
	codeAccessDenied      = 1045
	codeNotNull           = 1048
	codeUnknownDatabase   = 1049
	codeServerShutdown    = 1053
	codeDuplicateKey      = 1062
	codeUnknown           = 1105
	codeUnknownTable      = 1146
	codeLockWaitTimeout   = 1205
	codeDeadlock          = 1213
	codeOutOfRange        = 1264
	codeBadValue          = 1366
	codeTooLong           = 1406
	codeInsecure          = 3159 // require_secure_transport
	codeCannotRetry       = 8002 // SELECT FOR UPDATE met a write conflict
	codeTxnTooLarge       = 8004
	codeStaleStart        = 8005 // a write conflict that TiDB itself sees
	codeRetryable         = 8022
	codeEntryTooLarge     = 8025
	codeSchemaExpired     = 8027 // TiDB cannot reach PD
	codeSchemaChanged     = 8028
	codePDTimeout         = 9001
	codeTiKVTimeout       = 9002
	codeTiKVBusy          = 9003
	codeResolveTimeout    = 9004
	codeRegionUnavailable = 9005
	codeWriteConflict     = 9007
	codeStoreLimit        = 9008
	codeStaleCommand      = 9010
	codeNotSynced         = 9011
)

// lockRetryLimit is all that TiDB says, without a code of its own, where a
// statement that locks several rows met others in a circle too often:
// pessimistic-txn.max-retry-count in its configuration.
const lockRetryLimit = "pessimistic lock retry limit reached"

// isRejected reports whether TiDB refuses a row for what it says, so that it
// will never take it.
func isRejected(err error) bool {
	switch errorCode(err) {
	case codeNotNull, codeOutOfRange, codeBadValue, codeTooLong, codeTxnTooLarge, codeEntryTooLarge:
		return true
	}
	return false
}

// errMetAnother says that another transaction has written the same row since
// it was looked for.
var errMetAnother = errors.New("another transaction has written the same row")

// metAnother makes a transaction that cannot insert a row be tried again: it
// has looked before whether the row is there.
func metAnother(err error) error {
	if errorCode(err) == codeDuplicateKey {
		return fmt.Errorf("%w: %w", errMetAnother, err)
	}
	return err
}

func isConflict(err error) bool {
	if errors.Is(err, errMetAnother) {
		return true
	}
	switch errorCode(err) {
	case codeDeadlock, codeCannotRetry, codeRetryable, codeStaleStart, codeSchemaChanged, codeWriteConflict:
		return true
	case codeUnknown:
		return strings.Contains(err.Error(), lockRetryLimit)
	}
	return false
}

// errorCode returns the code of TiDB's answer, 0 for any other error.
func errorCode(err error) uint16 {
	var answer *mysql.MySQLError
	if errors.As(err, &answer) {
		return answer.Number
	}
	return 0
}
