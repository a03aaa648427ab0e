package domain

// Request is a request that may be sent again, recognised by the key that its
// sender gave it. The zero value has no key and is never recognised.
type Request struct {
	// Actor is who sends it: keys of different users have nothing to do with
	// each other.
	Actor UserID
	// Key is the Idempotency-Key, empty for none.
	Key    string
	Method string
	Path   string
	// Body is as it was sent; it may have a password.
	Body Secret
}

const requestLabel = "helfy-request-v1"

// Seal returns a MAC of what the request asks for, which tells nothing of it,
// and the id of the key that it was made with.
func (r Request) Seal(keyring *Keyring) (keyID, mac string) {
	return keyring.Seal(requestLabel, r.sealed()...)
}

// Same reports whether Seal gave keyID and mac for a request that asked for
// the same.
func (r Request) Same(keyring *Keyring, keyID, mac string) bool {
	return keyring.Verify(keyID, mac, requestLabel, r.sealed()...)
}

func (r Request) sealed() []string {
	return []string{r.Actor.String(), r.Key, r.Method, r.Path, r.Body.Reveal()}
}
