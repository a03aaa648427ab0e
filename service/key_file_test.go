package service_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"helfy/service"
)

func TestAKeyIsAddedAndPromotedWithEverythingElseKept(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "key"), filepath.Join(dir, "link")
	if err := service.CreateKey(path); err != nil {
		t.Fatal(err)
	}
	made, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before := "# first\n\n" + string(made) + "# last\n"
	if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chmod(path, 0o440), os.Symlink(path, link)); err != nil {
		t.Fatal(err)
	}
	id, err := service.AddKey(link)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || !strings.HasPrefix(string(text), before) {
		t.Errorf("after add: %v", err)
	}
	ids, err := service.ListKeys(path)
	if err != nil || len(ids) != 2 || ids[1] != id || ids[0] == id {
		t.Fatalf("got %v, %v, want %s behind another", ids, err, id)
	}
	for range 2 { // the second time changes nothing
		if err := service.PromoteKey(link, id); err != nil {
			t.Fatal(err)
		}
		if now, err := service.ListKeys(path); err != nil || len(now) != 2 || now[0] != id || now[1] != ids[0] {
			t.Errorf("after rotate: %v, %v", now, err)
		}
	}
	text, err = os.ReadFile(path)
	if err != nil || !strings.HasPrefix(string(text), "# first\n\n") || strings.Count(string(text), "\n") != 5 {
		t.Errorf("comments are lost, %v", err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o440 {
		t.Errorf("permissions are %v, %v", info.Mode(), err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("files left behind: %v, %v", entries, err)
	}
}

func TestAKeyFileThatIsNotOneStaysAsItIs(t *testing.T) {
	path := inFile(t, "no key\n")
	for what, err := range map[string]error{"add": errorOf(service.AddKey(path)), "rotate": service.PromoteKey(path, "a")} {
		if err == nil || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "no key\n") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "no key\n" {
		t.Errorf("it is %q, %v", text, err)
	}
	good := filepath.Join(t.TempDir(), "key")
	if err := service.CreateKey(good); err != nil {
		t.Fatal(err)
	}
	if err := service.PromoteKey(good, "0000000000000000"); !errors.Is(err, service.ErrNoKey) {
		t.Errorf("a key that is not there: %v", err)
	}
}

func errorOf[A any](_ A, err error) error { return err }
