package mount

import (
	"fmt"
	"math"
	"strconv"

	"github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/pingcap/tidb/pkg/types"

	"helfy/devstack/feed/row"
)

func isText(tp byte) bool {
	switch tp {
	case mysql.TypeString, mysql.TypeVarString, mysql.TypeVarchar,
		mysql.TypeTinyBlob, mysql.TypeBlob, mysql.TypeMediumBlob, mysql.TypeLongBlob:
		return true
	}
	return false
}

// sqlType is the mapping of https://docs.pingcap.com/tidb/v8.5/ticdc-canal-json.
func sqlType(tp byte, binary bool) int {
	if binary {
		return row.Blob
	}
	switch tp {
	case mysql.TypeTiny:
		return row.TinyInt
	case mysql.TypeShort:
		return row.SmallInt
	case mysql.TypeInt24, mysql.TypeLong, mysql.TypeEnum:
		return row.Integer
	case mysql.TypeLonglong:
		return row.BigInt
	case mysql.TypeFloat:
		return row.Real
	case mysql.TypeDouble:
		return row.Double
	case mysql.TypeNewDecimal:
		return row.Decimal
	case mysql.TypeString:
		return row.Char
	case mysql.TypeTinyBlob, mysql.TypeBlob, mysql.TypeMediumBlob, mysql.TypeLongBlob:
		return row.Clob
	case mysql.TypeDate, mysql.TypeNewDate:
		return row.Date
	case mysql.TypeDatetime, mysql.TypeTimestamp:
		return row.Timestamp
	case mysql.TypeDuration:
		return row.Time
	case mysql.TypeSet, mysql.TypeBit:
		return row.Bit
	default: // VARCHAR, YEAR, JSON, VECTOR
		return row.VarChar
	}
}

// newValue renders a datum as TiCDC does.
func newValue(d types.Datum, tp byte) (row.Value, error) {
	if d.IsNull() {
		return row.Value{Raw: "null", Null: true}, nil
	}
	text, err := render(d, tp)
	return row.Value{Raw: text}, err
}

func render(d types.Datum, tp byte) (string, error) {
	switch tp {
	case mysql.TypeEnum:
		return strconv.FormatUint(d.GetMysqlEnum().Value, 10), nil
	case mysql.TypeSet:
		return strconv.FormatUint(d.GetMysqlSet().Value, 10), nil
	case mysql.TypeBit:
		n, err := d.GetBinaryLiteral().ToInt(types.DefaultStmtNoWarningContext)
		if err != nil {
			return "", fmt.Errorf("bit value: %w", err)
		}
		return strconv.FormatUint(n, 10), nil
	case mysql.TypeFloat:
		return float(float64(d.GetFloat32()), 32), nil
	case mysql.TypeDouble:
		return float(d.GetFloat64(), 64), nil
	}
	text, err := d.ToString()
	if err != nil {
		return "", fmt.Errorf("render a value of kind %d: %w", d.Kind(), err)
	}
	return text, nil
}

// float has no exponent; what JSON consumers could not parse is 0.
func float(f float64, bits int) string {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return "0"
	}
	return strconv.FormatFloat(f, 'f', -1, bits)
}
