package docs_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"testing"

	"helfy/app/notification"
)

func TestTheExamplesOfNotificationsAreOfEveryTypeAndHaveEveryMember(t *testing.T) {
	p := read(t, "notifications.md")
	types := p.table(t, "Notifications", "type").first()
	if want := []string{string(notification.NewPlace), string(notification.Locked), string(notification.Finding)}; !slices.Equal(types, want) {
		t.Errorf("documented are %v, want %v", types, want)
	}
	var shown []string
	members := map[string]json.RawMessage{}
	for _, text := range p.all("json notification") {
		var payload notification.Payload
		decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&payload); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		shown = append(shown, string(payload.Type))
		var whole struct{ Data map[string]json.RawMessage }
		if err := json.Unmarshal([]byte(text), &whole); err != nil {
			t.Fatal(err)
		}
		for name, value := range whole.Data {
			members[name] = value
		}
	}
	if !slices.Equal(shown, types) {
		t.Errorf("examples are of %v, want %v", shown, types)
	}
	// Together they fill every member there is.
	text, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	var all notification.Data
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	value := reflect.ValueOf(all)
	for field := range value.Type().Fields() {
		if value.FieldByIndex(field.Index).IsZero() {
			t.Errorf("no example shows %s", field.Name)
		}
	}
}
