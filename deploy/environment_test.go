package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
)

// A misspelt variable would change nothing, in silence.
func TestEveryVariableIsOneThatTheServiceReads(t *testing.T) {
	help := exec.CommandContext(t.Context(), program(t), "--help")
	said, err := help.Output()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?m)^  ([A-Z][A-Z0-9_]+)(\[_FILE\])?  `).FindAllStringSubmatch(string(said), -1) {
		known[match[1]] = true
		if match[2] != "" {
			known[match[1]+"_FILE"] = true
		}
	}
	for _, service := range byName(everything(t).Services) {
		if !helfy(service) {
			continue
		}
		for variable := range service.Environment {
			if !known[variable] {
				t.Errorf("%s has %s, which helfy --help does not list", service.Name, variable)
			}
		}
	}
}

func TestEveryCommandIsOneOfTheProgram(t *testing.T) {
	for _, service := range byName(everything(t).Services) {
		if !helfy(service) {
			continue
		}
		line := append([]string{}, service.Command...)
		said, err := exec.CommandContext(t.Context(), program(t), append(line, "--help")...).CombinedOutput()
		if err != nil || !strings.HasPrefix(string(said), "Usage: helfy "+strings.Join(leading(line), " ")) {
			t.Errorf("%s runs helfy %q: %v: %s", service.Name, line, err, said)
		}
	}
}

// leading gives the words of a command before its flags.
func leading(line []string) []string {
	for i, word := range line {
		if strings.HasPrefix(word, "-") {
			return line[:i]
		}
	}
	return line
}

// prepare runs prepare.sh on volumes that are folders, and returns the folder
// and the names of who was given what.
func prepare(t *testing.T, dir string) {
	t.Helper()
	volumes := everything(t).Services["prepare"].Volumes
	for _, volume := range volumes {
		if volume.Type == types.VolumeTypeVolume {
			if err := os.MkdirAll(filepath.Join(dir, volume.Target), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	// Whoever runs the tests may not give files away: who is given what is noted.
	tools := t.TempDir()
	chown := "#!/bin/sh\ntest -e \"$2\" && echo \"$1 $2\" >>" + dir + "/given\n"
	if err := os.WriteFile(filepath.Join(tools, "chown"), []byte(chown), 0o755); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "sh", "compose/prepare.sh")
	command.Env = []string{"PATH=" + tools + ":" + os.Getenv("PATH"), "SECRETS=" + dir + "/secrets", "DATA=" + dir + "/data"}
	if said, err := command.CombinedOutput(); err != nil {
		t.Fatalf("prepare.sh: %v: %s", err, said)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestPrepareMakesEverySecretThatAServiceReads(t *testing.T) {
	dir := t.TempDir()
	prepare(t, dir)
	for _, service := range byName(everything(t).Services) {
		var volume string
		for _, mount := range service.Volumes {
			if mount.Target == "/run/secrets" {
				volume = strings.TrimPrefix(mount.Source, "secrets-")
			}
		}
		var files []string
		for _, argument := range service.Command {
			_, file, found := strings.Cut(argument, "/run/secrets/")
			if found {
				files = append(files, file)
			}
		}
		for _, text := range service.Environment {
			if file, ok := strings.CutPrefix(*text, "/run/secrets/"); ok {
				files = append(files, file)
			}
		}
		for _, file := range files {
			if volume == "" {
				t.Errorf("%s reads %s and has no secrets", service.Name, file)
				continue
			}
			path := filepath.Join(dir, "secrets", volume, file)
			if secret := read(t, path); len(secret) < 24 {
				t.Errorf("%s reads %s, which is too short for a secret", service.Name, file)
			}
			if info, err := os.Stat(path); err != nil || info.Mode() != 0o400 {
				t.Errorf("%s reads %s, which others may read too: %v, %v", service.Name, file, info.Mode(), err)
			}
			user, _, _ := strings.Cut(service.User, ":")
			if !strings.Contains(read(t, dir+"/given"), user+":"+user+" "+path+".new\n") {
				t.Errorf("%s reads %s, which is not given to user %s", service.Name, file, user)
			}
		}
	}
	if key := read(t, filepath.Join(dir, "secrets", "api", "helfy.key")); !regexp.MustCompile(`^[0-9a-f]{64}\n$`).MatchString(key) {
		t.Error("the key file has no key of 32 bytes")
	}
}

func TestPrepareKeepsWhatIsThereAndPassesOnWhatWasChanged(t *testing.T) {
	dir := t.TempDir()
	prepare(t, dir)
	key := filepath.Join(dir, "secrets", "api", "helfy.key")
	before := read(t, key)
	prepare(t, dir)
	if read(t, key) != before {
		t.Error("another start makes another key")
	}
	master := filepath.Join(dir, "secrets", "master", "helfy.key")
	rotated := strings.Repeat("0", 64) + "\n" + before
	if err := os.Remove(master); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(master, []byte(rotated), 0o444); err != nil {
		t.Fatal(err)
	}
	prepare(t, dir)
	for _, volume := range []string{"api", "consumer", "migrate", "admin"} {
		if read(t, filepath.Join(dir, "secrets", volume, "helfy.key")) != rotated {
			t.Errorf("%s does not get a key that was rotated", volume)
		}
	}
}
