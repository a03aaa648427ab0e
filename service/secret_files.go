package service

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	"helfy/domain"
)

// fileSuffix makes the name of the variable that tells in which file a secret
// is of the name of the variable that has the secret itself.
const fileSuffix = "_FILE"

// maxSecretFile bounds what is read of such a file.
const maxSecretFile = 64 << 10

func isSecret(field reflect.StructField) bool { return field.Type == reflect.TypeFor[domain.Secret]() }

// readSecretFiles puts what is in files into an environment, and returns what
// is wrong with them. An empty variable counts as none.
func readSecretFiles(environment map[string]string) (faults []error) {
	for _, field := range fields() {
		if !isSecret(field) {
			continue
		}
		variable := field.Tag.Get("env")
		path := environment[variable+fileSuffix]
		if path == "" {
			continue
		}
		if environment[variable] != "" {
			faults = append(faults, fmt.Errorf("%s: %s is set too; which of them counts?", variable+fileSuffix, variable))
			continue
		}
		text, err := ReadSecretFile(path)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", variable+fileSuffix, err))
			continue
		}
		environment[variable] = text
	}
	return faults
}

// ReadSecretFile returns a file's contents without the newline at its end,
// and an error for one that is empty, has several lines, or more than 64 KiB.
func ReadSecretFile(path string) (text string, err error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	content, err := io.ReadAll(io.LimitReader(file, maxSecretFile+1))
	if err != nil {
		return "", err
	}
	if len(content) > maxSecretFile {
		return "", fmt.Errorf("%s has more than %d bytes", path, maxSecretFile)
	}
	text = strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	switch {
	case text == "":
		return "", fmt.Errorf("%s is empty", path)
	case strings.ContainsAny(text, "\n\x00"):
		return "", fmt.Errorf("%s has more than one line", path)
	}
	return text, nil
}
