package ticdc

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// compare returns where a configuration, as TiCDC tells it, differs from the
// wanted one. What is not wanted explicitly is TiCDC's default and passes,
// but within a list nothing may be there beside what is wanted: a filter's
// further conditions, for example.
func compare(path string, want, got any) []string {
	switch want := want.(type) {
	case map[string]any:
		object, _ := got.(map[string]any)
		var differences []string
		for _, name := range slices.Sorted(maps.Keys(want)) {
			differences = append(differences, compare(path+"."+name, want[name], object[name])...)
		}
		return differences
	case []any:
		list, _ := got.([]any)
		if len(list) != len(want) {
			return []string{fmt.Sprintf("%s is %v, want %v", path, got, want)}
		}
		var differences []string
		for i := range want {
			place := fmt.Sprintf("%s[%d]", path, i)
			differences = append(differences, compare(place, want[i], list[i])...)
			differences = append(differences, surplus(place, want[i], list[i])...)
		}
		return differences
	default:
		if !reflect.DeepEqual(want, got) {
			return []string{fmt.Sprintf("%s is %v, want %v", path, got, want)}
		}
		return nil
	}
}

// surplus returns the members of an object that are set without being wanted.
func surplus(path string, want, got any) []string {
	wanted, _ := want.(map[string]any)
	object, _ := got.(map[string]any)
	var differences []string
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if _, ok := wanted[name]; !ok && !isEmpty(object[name]) {
			differences = append(differences, fmt.Sprintf("%s.%s is %v, want none", path, name, object[name]))
		}
	}
	return differences
}

func isEmpty(value any) bool {
	switch value := value.(type) {
	case nil:
		return true
	case []any:
		return len(value) == 0
	default:
		return reflect.ValueOf(value).IsZero()
	}
}
