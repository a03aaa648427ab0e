package ticdc

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"helfy/domain"
)

// differences returns where a changefeed is not as it must be, a sentence
// each.
func differences(feed Changefeed, found *details) ([]string, error) {
	want, err := feed.request()
	if err != nil {
		return nil, err
	}
	all := append(compare("config", want.Config, found.Config), compareSinks(feed.SinkURI(), found.SinkURI)...)
	if found.TargetTs != 0 {
		all = append(all, fmt.Sprintf("target_ts is %d (%s), want none: it ends there",
			found.TargetTs, domain.TimeOfTSO(found.TargetTs).Format("2006-01-02T15:04:05Z07:00")))
	}
	return all, nil
}

// closed are the sections in which nothing may be set beside what is wanted:
// a filter that leaves out some transactions, for example. Elsewhere what is
// not wanted explicitly is TiCDC's default and passes.
var closed = []string{"config.filter"}

// compare returns where a configuration, as TiCDC tells it, differs from the
// wanted one. What TiCDC leaves out of its answer is unset.
func compare(path string, want, got any) []string {
	switch want := want.(type) {
	case map[string]any:
		object, _ := got.(map[string]any)
		var differences []string
		for _, name := range slices.Sorted(maps.Keys(want)) {
			differences = append(differences, compare(path+"."+name, want[name], object[name])...)
		}
		if slices.Contains(closed, path) {
			differences = append(differences, surplus(path, want, got)...)
		}
		return differences
	case []any:
		return compareLists(path, want, got)
	default:
		if reflect.DeepEqual(want, got) || got == nil && isUnset(want) {
			return nil
		}
		return []string{fmt.Sprintf("%s is %v, want %v", path, orNone(got), want)}
	}
}

// compareLists compares lists: of names in any order, of objects, of which the
// first that fits counts, in theirs.
func compareLists(path string, want []any, got any) []string {
	list, _ := got.([]any)
	if len(list) != len(want) {
		return []string{fmt.Sprintf("%s is %v, want %v", path, orNone(got), want)}
	}
	var differences []string
	for i, one := range want {
		if name, ok := one.(string); ok {
			if !slices.Contains(list, any(name)) {
				return []string{fmt.Sprintf("%s is %v, want %v", path, got, want)}
			}
			continue
		}
		place := fmt.Sprintf("%s[%d]", path, i)
		differences = append(differences, compare(place, one, list[i])...)
		differences = append(differences, surplus(place, one, list[i])...)
	}
	return differences
}

// surplus returns the members of an object that are set without being wanted.
func surplus(path string, want, got any) []string {
	wanted, _ := want.(map[string]any)
	object, _ := got.(map[string]any)
	var differences []string
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if _, ok := wanted[name]; !ok && !isUnset(object[name]) {
			differences = append(differences, fmt.Sprintf("%s.%s is %v, want none", path, name, object[name]))
		}
	}
	return differences
}

// isUnset reports whether a value is what TiCDC has for a member that was not
// set.
func isUnset(value any) bool {
	switch value := value.(type) {
	case nil:
		return true
	case []any:
		return len(value) == 0
	case map[string]any:
		return !slices.ContainsFunc(slices.Collect(maps.Values(value)), func(member any) bool { return !isUnset(member) })
	case string:
		return value == "" || strings.EqualFold(value, "none")
	default:
		return reflect.ValueOf(value).IsZero()
	}
}

func orNone(value any) any {
	if value == nil {
		return "none"
	}
	return value
}
