package domain

import "testing"

func TestNetworksAndHosts(t *testing.T) {
	for ip, want := range map[string][2]string{
		"192.0.2.77":           {"192.0.2.0/24", "192.0.2.77/32"},
		"::ffff:192.0.2.77":    {"192.0.2.0/24", "192.0.2.77/32"},
		"2001:db8:1:2:3:4:5:6": {"2001:db8:1::/48", "2001:db8:1:2::/64"},
		"fe80::1%eth0":         {"fe80::/48", "fe80::/64"},
		"":                     {"", ""},
		"localhost":            {"", ""},
		"192.0.2.77:80":        {"", ""},
	} {
		if got := [2]string{NetworkOf(ip), HostOf(ip)}; got != want {
			t.Errorf("%q: %q, want %q", ip, got, want)
		}
	}
}

func TestASubjectFitsItsColumn(t *testing.T) {
	const column = 64
	longest := UserSubject(1<<63-1, NetworkOf("ffff:ffff:ffff:ffff::"))
	if len(longest) > column {
		t.Errorf("%s has %d bytes", longest, len(longest))
	}
}

func TestSpellingsOfANameFoldAlike(t *testing.T) {
	for _, spelling := range []string{"ADMIN", "ádmin", "a\u0301dmin", "ａｄｍｉｎ", "Admín", "adm\u20ddin"} {
		if got := FoldName(spelling); got != "admin" {
			t.Errorf("%q folds to %q", spelling, got)
		}
	}
	if FoldName("admin") == FoldName("admin2") || FoldName("\xff") == "" {
		t.Error("other names must stay other names")
	}
}
