package command

import (
	"fmt"
	"time"

	"helfy/domain"
)

// RateLimit bounds how often something may happen. It is safe for concurrent
// use.
type RateLimit interface {
	// Take counts one of a key and returns 0, or how long to wait until there
	// may be another one; it was not counted then.
	Take(key string) (wait time.Duration)
}

// RateLimitedError refuses a request because there were too many.
type RateLimitedError struct {
	// RetryAfter is when there may be another one, more than 0.
	RetryAfter time.Duration
}

// Error implements error.
func (e *RateLimitedError) Error() string {
	return fmt.Sprintf("too many requests: the next one in %s", e.RetryAfter)
}

// checkRates counts a login by where it comes from and by name. Spellings of
// a name that are the same to the database count together.
func (h LoginHandler) checkRates(login Login) error {
	if host := domain.HostOf(login.Origin.IP); host != "" {
		if wait := h.PerIP.Take(host); wait > 0 {
			return &RateLimitedError{wait}
		}
	}
	if wait := h.PerName.Take(domain.FoldName(login.Username)); wait > 0 {
		return &RateLimitedError{wait}
	}
	return nil
}
