package service_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"helfy/internal/authority"
	"helfy/service"
)

// inFile writes a file and returns its path.
func inFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestASecretIsReadFromAFileWithoutTheNewlineAtItsEnd(t *testing.T) {
	config, err := service.ReadConfig([]string{
		"TIDB_PASSWORD=", "TIDB_PASSWORD_FILE=" + inFile(t, " p w \n"), "SMTP_PASSWORD_FILE=" + inFile(t, "mail\r\n"),
		"KAFKA_SASL_MECHANISM=SCRAM-SHA-512", "KAFKA_SASL_USERNAME=helfy", "KAFKA_SASL_PASSWORD_FILE=" + inFile(t, "broker"),
		"CHANGEFEED_KAFKA_SASL_MECHANISM=SCRAM-SHA-256", "CHANGEFEED_KAFKA_SASL_USERNAME=feed",
		"CHANGEFEED_KAFKA_SASL_PASSWORD_FILE=" + inFile(t, "feed"),
		"WEBHOOK_URL_FILE=" + inFile(t, "https://example.com/x"), "WEBHOOK_SECRETS_FILE=" + inFile(t, "whsec_"+strings.Repeat("A", 32)),
	}, false)
	if err != nil {
		t.Fatal(err)
	}
	for variable, got := range map[string][2]string{
		"TIDB_PASSWORD": {config.TiDBPassword.Reveal(), " p w "}, "SMTP_PASSWORD": {config.SMTPPassword.Reveal(), "mail"},
		"KAFKA_SASL_PASSWORD":            {config.KafkaSASLPassword.Reveal(), "broker"},
		"CHANGEFEED_KAFKA_SASL_PASSWORD": {config.ChangefeedSASLPassword.Reveal(), "feed"},
		"WEBHOOK_URL":                    {config.WebhookURL.Reveal(), "https://example.com/x"},
		"WEBHOOK_SECRETS":                {config.WebhookSecrets.Reveal(), "whsec_" + strings.Repeat("A", 32)},
	} {
		if got[0] != got[1] {
			t.Errorf("%s is %q, want %q", variable, got[0], got[1])
		}
	}
}

func TestASecretFileThatCannotBeMeantIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		environ []string
		want    string
	}{
		"both":       {[]string{"TIDB_PASSWORD=x", "TIDB_PASSWORD_FILE=" + inFile(t, "hidden")}, "TIDB_PASSWORD is set too"},
		"unreadable": {[]string{"TIDB_PASSWORD_FILE=nowhere/password"}, "nowhere/password"},
		"a folder":   {[]string{"TIDB_PASSWORD_FILE=" + t.TempDir()}, "directory"},
		"empty":      {[]string{"TIDB_PASSWORD_FILE=" + inFile(t, "\n")}, "is empty"},
		"two lines":  {[]string{"TIDB_PASSWORD_FILE=" + inFile(t, "hidden\nhidden\n")}, "more than one line"},
		"too long":   {[]string{"TIDB_PASSWORD_FILE=" + inFile(t, strings.Repeat("hidden", 20000))}, "bytes"},
	} {
		_, err := service.ReadConfig(c.environ, false)
		if err == nil || !strings.HasPrefix(err.Error(), "TIDB_PASSWORD_FILE: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: want an error of TIDB_PASSWORD_FILE that says %q, got %v", name, c.want, err)
		}
		if err != nil && strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: the error has the secret: %v", name, err)
		}
	}
}

func TestWhatProtectsAConnectionIsChecked(t *testing.T) {
	ca := authority.New(t)
	cert, key := ca.Issue("helfy")
	for name, c := range map[string]struct {
		environ []string
		want    string // the variable that is named, empty if nothing is wrong
	}{
		"all of it": {[]string{
			"TIDB_SSL=true", "TIDB_SSL_CA=" + ca.CA, "TIDB_SSL_CERT=" + cert, "TIDB_SSL_KEY=" + key,
			"KAFKA_TLS=true", "KAFKA_TLS_CA=" + ca.CA, "KAFKA_TLS_CERT=" + cert, "KAFKA_TLS_KEY=" + key,
			"KAFKA_SASL_MECHANISM=SCRAM-SHA-256", "KAFKA_SASL_USERNAME=helfy", "KAFKA_SASL_PASSWORD=x",
		}, ""},
		"files that TiCDC has":       {[]string{"CHANGEFEED_KAFKA_TLS=true", "CHANGEFEED_KAFKA_TLS_CA=/where/ticdc/is/ca.pem"}, ""},
		"an authority without TLS":   {[]string{"TIDB_SSL_CA=" + ca.CA}, "TIDB_SSL:"},
		"an authority that is not":   {[]string{"KAFKA_TLS=true", "KAFKA_TLS_CA=" + key}, "KAFKA_TLS_CA:"},
		"an authority nowhere":       {[]string{"KAFKA_TLS=true", "KAFKA_TLS_CA=nowhere"}, "KAFKA_TLS_CA:"},
		"a certificate without key":  {[]string{"KAFKA_TLS=true", "KAFKA_TLS_CERT=" + cert}, "KAFKA_TLS_KEY:"},
		"a key of another":           {[]string{"TIDB_SSL=true", "TIDB_SSL_CERT=" + ca.CA, "TIDB_SSL_KEY=" + key}, "TIDB_SSL_CERT:"},
		"TiCDC's without TLS":        {[]string{"CHANGEFEED_KAFKA_TLS_CERT=a", "CHANGEFEED_KAFKA_TLS_KEY=b"}, "CHANGEFEED_KAFKA_TLS:"},
		"a mechanism that is none":   {[]string{"KAFKA_SASL_MECHANISM=PLAIN"}, "KAFKA_SASL_MECHANISM:"},
		"a user without a mechanism": {[]string{"CHANGEFEED_KAFKA_SASL_USERNAME=x"}, "CHANGEFEED_KAFKA_SASL_MECHANISM:"},
		"no password":                {[]string{"KAFKA_SASL_MECHANISM=SCRAM-SHA-512", "KAFKA_SASL_USERNAME=x"}, "KAFKA_SASL_PASSWORD:"},
	} {
		_, err := service.ReadConfig(c.environ, false)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)) {
			t.Errorf("%s: want %q, got %v", name, c.want, err)
		}
	}
}
