package webhook

import (
	"testing"
	"time"

	"helfy/domain"
)

// The example of https://github.com/standard-webhooks/standard-webhooks.
func TestTheSpecificationsExampleIsSignedAsItSays(t *testing.T) {
	signers, err := newSigners([]domain.Secret{domain.NewSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")})
	if err != nil {
		t.Fatal(err)
	}
	got, err := sign(signers, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}
