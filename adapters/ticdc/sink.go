package ticdc

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// masked is what TiCDC says instead of a parameter that may be a secret, see
// MaskSensitiveDataInURI in its source.
const masked = "xxxxx"

// secretNames are the parts of names by which it knows them.
var secretNames = []string{"password", "passwd", "pwd", "access", "token", "secret", "key", "signature", "credential", "private"}

func isSecret(name string) bool {
	return slices.ContainsFunc(secretNames, func(part string) bool { return strings.Contains(strings.ToLower(name), part) })
}

// compareSinks returns where the place that messages go to, and their form,
// differ from the wanted ones. Neither tells a secret.
func compareSinks(want, got string) []string {
	wanted, err := url.Parse(want)
	if err != nil {
		return []string{"sink_uri: the wanted one cannot be read"}
	}
	found, err := url.Parse(got)
	if err != nil || got == "" {
		return []string{"sink_uri cannot be read"}
	}
	var differences []string
	differ := func(part, want, got string) {
		if got != want {
			differences = append(differences, fmt.Sprintf("sink_uri: %s is %q, want %q", part, got, want))
		}
	}
	differ("scheme", wanted.Scheme, found.Scheme)
	differ("brokers", sorted(wanted.Host), sorted(found.Host))
	differ("topic", strings.Trim(wanted.Path, "/"), strings.Trim(found.Path, "/"))
	wants, finds := wanted.Query(), found.Query()
	names := maps.Clone(finds)
	maps.Copy(names, wants)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		want, got := wants.Get(name), finds.Get(name)
		switch {
		case got == masked && want != "" || got == want:
		case isSecret(name):
			differences = append(differences, fmt.Sprintf("sink_uri: %s is another one", name))
		default:
			differ(name, want, got)
		}
	}
	return differences
}

// sorted brings brokers into an order.
func sorted(brokers string) string {
	list := strings.Split(brokers, ",")
	slices.Sort(list)
	return strings.Join(list, ",")
}

var (
	secretParameter = regexp.MustCompile(`(?i)(\\u0026|^|[^a-z0-9_.-])([a-z0-9_.-]*(?:` + strings.Join(secretNames, "|") + `)[a-z0-9_.-]*=)[^&\\\s"']+`)
	userinfo        = regexp.MustCompile(`://[^/@\s"']*@`)
)

// withoutSecrets returns what TiCDC says without the secrets of a sink URI
// that it may repeat.
func withoutSecrets(text string) string {
	text = userinfo.ReplaceAllString(text, "://"+masked+"@")
	return secretParameter.ReplaceAllString(text, "${1}${2}"+masked)
}
