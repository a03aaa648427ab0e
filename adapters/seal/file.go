package seal

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"helfy/domain"
)

// maxFile bounds what is read of a seal, in bytes.
const maxFile = 1 << 30

// Check reports early what would keep Write from its work.
func Check(keyFile, path string) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s exists: a seal is never overwritten", path)
	}
	_, err := readPrivate(keyFile)
	return err
}

// Write signs a seal with the key of a file and writes it to a file that must
// not exist.
func Write(ctx context.Context, path, keyFile string, seal domain.Seal) error {
	private, err := readPrivate(keyFile)
	if err != nil {
		return err
	}
	body, err := encode(seal)
	if err != nil {
		return fmt.Errorf("write seal: %w", err)
	}
	signer, err := dsse.NewEnvelopeSigner(key{private.Public().(ed25519.PublicKey), private})
	if err != nil {
		return fmt.Errorf("sign seal: %w", err)
	}
	envelope, err := signer.SignPayload(ctx, PayloadType, body)
	if err != nil {
		return fmt.Errorf("sign seal: %w", err)
	}
	text, err := json.Marshal(envelope, jsontext.WithIndent("  "))
	if err != nil {
		return fmt.Errorf("write seal: %w", err)
	}
	return create(path, 0o644, append(text, '\n'))
}

// Read returns the seal of a file, if the key of the other file has signed
// it.
func Read(ctx context.Context, path, publicKeyFile string) (domain.Seal, error) {
	public, err := readPublic(publicKeyFile)
	if err != nil {
		return domain.Seal{}, err
	}
	text, err := readAll(path, maxFile)
	if err != nil {
		return domain.Seal{}, err
	}
	seal, err := open(ctx, text, public)
	if err != nil {
		return domain.Seal{}, fmt.Errorf("seal %s: %w", path, err)
	}
	return seal, nil
}

// errSignature says nothing of why: the envelope is not to be believed.
var errSignature = errors.New("the public key's signature is not on it: it was changed, or signed by another key")

func open(ctx context.Context, text []byte, public ed25519.PublicKey) (domain.Seal, error) {
	var envelope dsse.Envelope
	if err := json.Unmarshal(text, &envelope); err != nil {
		return domain.Seal{}, fmt.Errorf("it is no DSSE envelope: %w", err)
	}
	verifier, err := dsse.NewEnvelopeVerifier(key{public: public})
	if err != nil {
		return domain.Seal{}, err
	}
	_, body, err := verifier.VerifyAndDecode(ctx, &envelope)
	if err != nil {
		return domain.Seal{}, fmt.Errorf("%w (%w)", errSignature, err)
	}
	if envelope.PayloadType != PayloadType {
		return domain.Seal{}, fmt.Errorf("payloadType is %q, want %q", envelope.PayloadType, PayloadType)
	}
	return decode(body)
}

// readAll reads a file of at most so many bytes.
func readAll(path string, limit int64) (text []byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	text, err = io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("%s is longer than %d bytes", path, limit)
	}
	return text, err
}

// create makes a new file durable.
func create(path string, mode os.FileMode, text []byte) (err error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if _, err = file.Write(text); err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(path)) // half a file is none
	}
	return nil
}
