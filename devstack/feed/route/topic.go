package route

import (
	"regexp"
	"strings"

	"helfy/devstack/feed/changefeed"
	"helfy/devstack/feed/row"
)

// maxTopicLength is Kafka's.
const maxTopicLength = 249

var (
	topicExpression = regexp.MustCompile(`^[A-Za-z0-9._-]*(\{schema\})?([A-Za-z0-9._-]*\{table\})?[A-Za-z0-9._-]*$`)
	topicForbidden  = regexp.MustCompile(`[^A-Za-z0-9._-]`)
)

func checkTopic(expression string) error {
	if !topicExpression.MatchString(expression) {
		return changefeed.Errorf(changefeed.ErrTopicExpression, "invalid topic expression: %s", expression)
	}
	return nil
}

// topicName replaces {schema} and {table}.
func topicName(expression string, t *row.Table) string {
	name := strings.NewReplacer(
		"{schema}", topicForbidden.ReplaceAllString(t.Schema, "_"),
		"{table}", topicForbidden.ReplaceAllString(t.Name, "_"),
	).Replace(expression)
	switch {
	case len(name) > maxTopicLength:
		return name[:maxTopicLength]
	case name == "." || name == "..":
		return strings.ReplaceAll(name, ".", "_")
	}
	return name
}

func isFixed(expression string) bool { return !strings.Contains(expression, "{") }
