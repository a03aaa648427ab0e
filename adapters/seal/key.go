package seal

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
)

// CreateKey makes a pair of keys: the private one in a file that must not
// exist, readable by its owner only (PKCS#8, PEM), the public one beside it
// with the suffix .pub (PKIX, PEM), whose name it returns.
func CreateKey(path string) (publicPath string, err error) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return "", fmt.Errorf("make key: %w", err)
	}
	privateDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return "", fmt.Errorf("write private key: %w", err)
	}
	publicDER, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "", fmt.Errorf("write public key: %w", err)
	}
	if err := create(path, 0o600, pem.EncodeToMemory(&pem.Block{Type: privateType, Bytes: privateDER})); err != nil {
		return "", fmt.Errorf("create private key: %w", err)
	}
	publicPath = path + ".pub"
	if err := create(publicPath, 0o644, pem.EncodeToMemory(&pem.Block{Type: publicType, Bytes: publicDER})); err != nil {
		return "", errors.Join(fmt.Errorf("create public key: %w", err), os.Remove(path))
	}
	return publicPath, nil
}

// The types of PEM blocks.
const (
	privateType = "PRIVATE KEY"
	publicType  = "PUBLIC KEY"
)

// maxKeyFile bounds a key file, in bytes.
const maxKeyFile = 1 << 16

// readPEM returns the only block of a file. Its errors show nothing of it.
func readPEM(path, want string) ([]byte, error) {
	text, err := readAll(path, maxKeyFile)
	if err != nil {
		return nil, err
	}
	block, rest := pem.Decode(text)
	if block == nil || len(rest) > 0 {
		return nil, fmt.Errorf("%s: want one PEM block and nothing else", path)
	}
	if block.Type != want {
		return nil, fmt.Errorf("%s: it holds a %s, want a %s", path, block.Type, want)
	}
	return block.Bytes, nil
}

func readPrivate(path string) (ed25519.PrivateKey, error) {
	der, err := readPEM(path, privateType)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	private, ok := parsed.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("%s: it holds no Ed25519 key in PKCS#8", path)
	}
	return private, nil
}

func readPublic(path string) (ed25519.PublicKey, error) {
	der, err := readPEM(path, publicType)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	public, ok := parsed.(ed25519.PublicKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("%s: it holds no Ed25519 key in PKIX", path)
	}
	return public, nil
}

// key signs and verifies for DSSE. private is nil for one that only verifies.
type key struct {
	public  ed25519.PublicKey
	private ed25519.PrivateKey
}

var (
	_ dsse.Signer   = key{}
	_ dsse.Verifier = key{}
)

// Sign implements dsse.Signer.
func (k key) Sign(_ context.Context, data []byte) ([]byte, error) {
	return ed25519.Sign(k.private, data), nil
}

var errWrongSignature = errors.New("wrong signature")

// Verify implements dsse.Verifier.
func (k key) Verify(_ context.Context, data, signature []byte) error {
	if !ed25519.Verify(k.public, data, signature) {
		return errWrongSignature
	}
	return nil
}

// KeyID implements both.
func (k key) KeyID() (string, error) { return dsse.SHA256KeyID(k.public) }

// Public implements dsse.Verifier.
func (k key) Public() crypto.PublicKey { return k.public }
