package live

import (
	"math"
	"strings"
	"testing"

	"helfy/app/projection"
)

func somewhere() Position {
	return Position{verified: 470644783663284224, topics: []topicPosition{
		{id: topicID{1, 2, 3}, next: []int64{0, 7, 1 << 40, math.MaxInt64}},
		{id: topicID{4, 5, 6}, next: nil},
	}}
}

func TestAPositionIsWhatItsTextSays(t *testing.T) {
	text := somewhere().String()
	again, err := parsePosition(text, 2)
	if err != nil || again.String() != text {
		t.Errorf("%q was read as %q, %v", text, again, err)
	}
	if strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		t.Errorf("%q has characters that an address must escape", text)
	}
}

func TestATextThatIsNoPositionIsRefused(t *testing.T) {
	text := somewhere().String()
	for name, bad := range map[string]string{
		"nothing": "", "no base64": "!", "padded": text + "=", "cut off": text[:len(text)-2], "more": text + "AA",
		"another version": "Ag" + text[2:], "more partitions than there are bytes": "AQAAAAAAAAAAAP__",
	} {
		if p, err := parsePosition(bad, 2); err == nil {
			t.Errorf("%s: %q was read as %v", name, bad, p)
		}
	}
	if _, err := parsePosition(text, 3); err == nil {
		t.Error("a position of two topics was read as one of three")
	}
}

func FuzzPosition(f *testing.F) {
	f.Add(somewhere().String())
	f.Add("AQ")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePosition(text, 2)
		if err != nil {
			return
		}
		again, err := parsePosition(p.String(), 2)
		if err != nil || again.String() != p.String() {
			t.Errorf("%q was read as %q and that as %q, %v", text, p, again, err)
		}
	})
}

func TestTheTopicsMustHaveWhatFollowsAPosition(t *testing.T) {
	there := []state{{name: "t", id: topicID{1}, partitions: []projection.Partition{
		{Topic: "t", Partition: 0, Earliest: 5, End: 10}, {Topic: "t", Partition: 1, Earliest: 0, End: 20},
	}}}
	for name, test := range map[string]struct {
		id   byte
		next []int64
		want string
	}{
		"at the end":              {1, []int64{10, 20}, ""},
		"as far as may be":        {1, []int64{5, 20}, ""},
		"one too far":             {1, []int64{5, 19}, "6 records have come since, at most 5 are read again"},
		"gone":                    {1, []int64{4, 20}, "t[0] begins at offset 5, not at 4"},
		"not there yet":           {1, []int64{11, 20}, "t[0] ends at offset 10, not at 11"},
		"of another topic":        {2, []int64{10, 20}, "topic t was made anew"},
		"fewer partitions":        {1, []int64{10, 20, 0}, "topic t has fewer partitions"},
		"a partition was added":   {1, []int64{10}, "20 records have come since, at most 5 are read again"},
		"the first partition too": {1, nil, "25 records have come since, at most 5 are read again"},
	} {
		at := Position{topics: []topicPosition{{id: topicID{test.id}, next: test.next}}}
		if got := fault(at, there, 5); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
