package command

import "helfy/domain"

// RefusedError is ErrInvalidCredentials together with the reason, which is for
// the operator only: its text and its answer are the same for all of them.
type RefusedError struct{ Reason domain.FailureReason }

// Error implements error.
func (RefusedError) Error() string { return ErrInvalidCredentials.Error() }

// Unwrap makes it ErrInvalidCredentials.
func (RefusedError) Unwrap() error { return ErrInvalidCredentials }
