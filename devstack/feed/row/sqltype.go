package row

import (
	"math"
	"strconv"
)

// The java.sql.Types codes that Canal-JSON uses.
const (
	Bit       = -7
	TinyInt   = -6
	BigInt    = -5
	Char      = 1
	Decimal   = 3
	Integer   = 4
	SmallInt  = 5
	Real      = 7
	Double    = 8
	VarChar   = 12
	Date      = 91
	Time      = 92
	Timestamp = 93
	Blob      = 2004
	Clob      = 2005
)

// wider gives, for the types that have an unsigned form, the type of the
// values that are too large for the signed one.
var wider = map[int]struct {
	above uint64
	code  int
}{
	TinyInt:  {math.MaxInt8, SmallInt},
	SmallInt: {math.MaxInt16, Integer},
	Integer:  {math.MaxInt32, BigInt},
	BigInt:   {math.MaxInt64, Decimal},
}

// SQLTypeOf returns the code of one value: an unsigned integer that does not
// fit its signed Java type is announced as the next wider one.
func (c *Column) SQLTypeOf(v Value) int {
	next, ok := wider[c.SQLType]
	if !c.Unsigned || v.Null || !ok {
		return c.SQLType
	}
	if n, err := strconv.ParseUint(v.Raw, 10, 64); err == nil && n > next.above {
		return next.code
	}
	return c.SQLType
}
