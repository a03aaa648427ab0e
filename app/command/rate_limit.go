package command

import (
	"context"
	"errors"
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

// checkHost counts a login by where it comes from.
func (h LoginHandler) checkHost(login Login) error {
	host := domain.HostOf(login.Origin.IP)
	if host == "" {
		return nil
	}
	return limited(h.PerIP.Take(host))
}

// checkName counts a login by name. Spellings of a name that are the same to
// the database count together. Past the limit, a network that the user has
// signed in from has one for itself: whoever uses up the name's elsewhere does
// not keep its owner out.
func (h LoginHandler) checkName(ctx context.Context, login Login) error {
	wait := h.PerName.Take("name:" + domain.FoldName(login.Username))
	if wait == 0 {
		return nil
	}
	network := domain.NetworkOf(login.Origin.IP)
	account, err := h.account(ctx, login.Username, network)
	if err != nil && !errors.Is(err, ErrUserNotFound) {
		return err
	}
	if h.knows(account) {
		wait = h.PerName.Take(domain.UserSubject(account.ID, network))
	}
	return limited(wait)
}

// limited returns the error of having to wait.
func limited(wait time.Duration) error {
	if wait > 0 {
		return &RateLimitedError{wait}
	}
	return nil
}
