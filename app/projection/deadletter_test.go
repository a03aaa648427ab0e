package projection

import (
	"strings"
	"testing"
)

func TestAPlaceIsReadAsItIsWritten(t *testing.T) {
	place, err := ParsePlace("user-events/3/4711")
	if err != nil || place != (Place{"user-events", 3, 4711}) || place.String() != "user-events/3/4711" {
		t.Errorf("got %+v, %v", place, err)
	}
	for text, want := range map[string]string{
		"":                            "TOPIC/PARTITION/OFFSET",
		"topic/1":                     "TOPIC/PARTITION/OFFSET",
		"/1/2":                        "TOPIC/PARTITION/OFFSET",
		"topic/1/2/3":                 "TOPIC/PARTITION/OFFSET",
		"topic/x/2":                   "partition",
		"topic/-1/2":                  "partition",
		"topic/2147483648/2":          "partition",
		"topic/1/":                    "offset",
		"topic/1/-2":                  "offset",
		"topic/1/1e3":                 "offset",
		"topic/1/9223372036854775808": "offset",
	} {
		if place, err := ParsePlace(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %+v, %v, want an error that names %s", text, place, err, want)
		}
	}
}

func FuzzParsePlace(f *testing.F) {
	f.Add("user-events/3/4711")
	f.Add("a/+1/00")
	f.Fuzz(func(t *testing.T, text string) {
		place, err := ParsePlace(text)
		if err != nil {
			return
		}
		if again, err := ParsePlace(place.String()); err != nil || again != place {
			t.Errorf("%q is %+v, and that %+v, %v", text, place, again, err)
		}
	})
}

func TestChangedBytesAreNoticed(t *testing.T) {
	value := []byte("poison")
	for name, letter := range map[string]DeadLetter{
		"whole": {Value: value, Size: 6, Digest: Record{Value: value}.Digest()},
		"cut":   {Value: value[:3], Size: 6, Digest: Record{Value: value}.Digest()},
	} {
		if letter.Altered() {
			t.Errorf("%s: %+v", name, letter)
		}
	}
	if letter := (DeadLetter{Value: []byte("Poison"), Size: 6, Digest: Record{Value: value}.Digest()}); !letter.Altered() {
		t.Errorf("%+v", letter)
	}
}
