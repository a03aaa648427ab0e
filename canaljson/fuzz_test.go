package canaljson_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"helfy/canaljson"
)

// FuzzDecode wants of any input: an error with an offset inside it, or valid
// JSON whose message survives being encoded and decoded again.
func FuzzDecode(f *testing.F) {
	for _, value := range fixtures(f) {
		f.Add(value)
	}
	f.Add([]byte(valid))
	f.Fuzz(func(t *testing.T, value []byte) {
		m, err := canaljson.Decode(value)
		if err != nil {
			var fault *canaljson.DecodeError
			if !errors.As(err, &fault) || fault.Offset < 0 || fault.Offset > len(value) || fault.Reason == "" {
				t.Fatalf("no place in %v", err)
			}
			return
		}
		if !json.Valid(value) {
			t.Fatalf("decoded what is not JSON to %+v", m)
		}
		if _, ok := m.(*canaljson.Unsupported); ok {
			return
		}
		again, err := canaljson.Encode(m)
		if err != nil {
			t.Fatalf("%+v does not encode: %v", m, err)
		}
		if back := decode(t, again); !reflect.DeepEqual(back, m) {
			t.Fatalf("comes back as %+v, was %+v", back, m)
		}
	})
}
