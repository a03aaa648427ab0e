package webhook

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"helfy/domain"
)

// The lengths of a secret in bytes that the specification allows.
const (
	minSecret = 24
	maxSecret = 64
)

// ParseSecrets reads secrets that are separated by commas or spaces.
func ParseSecrets(text domain.Secret) []domain.Secret {
	var secrets []domain.Secret
	for _, one := range strings.FieldsFunc(text.Reveal(), func(r rune) bool { return r == ',' || r == ' ' }) {
		secrets = append(secrets, domain.NewSecret(one))
	}
	return secrets
}

func newSigners(secrets []domain.Secret) ([]*standardwebhooks.Webhook, error) {
	if len(secrets) == 0 {
		return nil, errors.New("want a secret to sign with")
	}
	signers := make([]*standardwebhooks.Webhook, len(secrets))
	for i, secret := range secrets {
		encoded, ok := strings.CutPrefix(secret.Reveal(), "whsec_")
		key, err := base64.StdEncoding.DecodeString(encoded)
		if !ok || err != nil || len(key) < minSecret || len(key) > maxSecret {
			return nil, fmt.Errorf("secret %d of %d: want whsec_ and %d to %d bytes in base64", i+1, len(secrets), minSecret, maxSecret)
		}
		if signers[i], err = standardwebhooks.NewWebhookRaw(key); err != nil {
			return nil, fmt.Errorf("secret %d of %d: %w", i+1, len(secrets), err)
		}
	}
	return signers, nil
}

// sign returns the signatures of all secrets, separated by spaces.
func sign(signers []*standardwebhooks.Webhook, id string, at time.Time, body []byte) (string, error) {
	signatures := make([]string, len(signers))
	for i, signer := range signers {
		signature, err := signer.Sign(id, at, body)
		if err != nil {
			return "", err
		}
		signatures[i] = signature
	}
	return strings.Join(signatures, " "), nil
}
