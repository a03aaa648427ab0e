package query

// KeyUse is how much of something a key has sealed.
type KeyUse struct {
	// What is events, credentials, sessions or requests.
	What  string
	KeyID string
	Count int64
	// From and To are the TSOs of the first and the last of events, 0 for what
	// has none.
	From, To uint64
}
