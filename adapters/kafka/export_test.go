package kafka

// Explain is explain, for tests.
func Explain(err error) error { return Cluster{}.explain(err) }
