package argon2id

import (
	"context"
	"errors"
	"strings"
	"testing"

	"helfy/app/command"
	"helfy/domain"
)

// cheap keeps the tests fast; the format is the same.
var cheap = Params{MemoryKiB: 64, Time: 1, Threads: 1}

func newHasher(t *testing.T, concurrency int) *Hasher {
	t.Helper()
	hasher, err := New(cheap, concurrency)
	if err != nil {
		t.Fatal(err)
	}
	return hasher
}

func TestOnlyTheRightPasswordVerifies(t *testing.T) {
	ctx, hasher := t.Context(), newHasher(t, 1)
	hash, err := hasher.Hash(ctx, domain.NewSecret("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	for password, want := range map[string]bool{"correct horse": true, "wrong horse": false, "": false} {
		if got, err := hasher.Verify(ctx, hash, domain.NewSecret(password)); err != nil || got != want {
			t.Errorf("%q: %v, %v", password, got, err)
		}
	}
}

// The reference implementation's output for "password", "somesalt":
// https://github.com/P-H-C/phc-winner-argon2/blob/master/src/test.c
func TestVerifiesTheReferenceImplementationsHash(t *testing.T) {
	const reference = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
	right, err := newHasher(t, 1).Verify(t.Context(), reference, domain.NewSecret("password"))
	if err != nil || !right {
		t.Errorf("got %v, %v", right, err)
	}
}

func TestDefaultCostStandsInTheHash(t *testing.T) {
	hasher, err := New(DefaultParams, 1)
	if err != nil {
		t.Fatal(err)
	}
	if want := "$argon2id$v=19$m=19456,t=2,p=1$"; !strings.HasPrefix(hasher.Dummy(), want) {
		t.Errorf("got %s, want %s…", hasher.Dummy(), want)
	}
}

func TestBeyondTheBoundIsBusyAtOnce(t *testing.T) {
	hasher := newHasher(t, 2)
	hasher.slots <- struct{}{}
	hasher.slots <- struct{}{}
	if _, _, err := hasher.Reserve(t.Context()); !errors.Is(err, command.ErrBusy) {
		t.Errorf("reserve: %v", err)
	}
	if _, err := hasher.Hash(t.Context(), domain.NewSecret("x")); !errors.Is(err, command.ErrBusy) {
		t.Errorf("hash: %v", err)
	}
	if _, err := hasher.Verify(t.Context(), hasher.Dummy(), domain.NewSecret("x")); !errors.Is(err, command.ErrBusy) {
		t.Errorf("verify: %v", err)
	}
	<-hasher.slots
	if _, err := hasher.Hash(t.Context(), domain.NewSecret("x")); err != nil {
		t.Errorf("a free slot: %v", err)
	}
}

func TestAReservedPlaceServesHashAfterHash(t *testing.T) {
	hasher := newHasher(t, 1)
	reserved, free, err := hasher.Reserve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := hasher.Hash(reserved, domain.NewSecret("x")); err != nil {
			t.Errorf("with the place: %v", err)
		}
	}
	if _, err := hasher.Hash(t.Context(), domain.NewSecret("x")); !errors.Is(err, command.ErrBusy) {
		t.Errorf("without: %v", err)
	}
	free()
	free()
	if got := len(hasher.slots); got != 0 {
		t.Errorf("%d places are held after all were freed", got)
	}
	hasher.slots <- struct{}{}
	if _, err := hasher.Hash(reserved, domain.NewSecret("x")); !errors.Is(err, command.ErrBusy) {
		t.Errorf("with a place that was freed: %v", err)
	}
}

func TestEndedContextComputesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newHasher(t, 1).Hash(ctx, domain.NewSecret("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestMalformedHashesAreRefused(t *testing.T) {
	hasher := newHasher(t, 1)
	good := hasher.Dummy()
	for name, hash := range map[string]string{
		"empty":           "",
		"plain text":      "admin",
		"bcrypt":          "$2a$10$abcdefghijklmnopqrstuv",
		"argon2i":         strings.Replace(good, "argon2id", "argon2i", 1),
		"old version":     strings.Replace(good, "v=19", "v=16", 1),
		"no parameters":   strings.Replace(good, "m=64,t=1,p=1", "", 1),
		"huge memory":     strings.Replace(good, "m=64", "m=4294967295", 1),
		"more parameters": strings.Replace(good, "p=1", "p=1,x=2", 1),
		"zero time":       strings.Replace(good, "t=1", "t=0", 1),
		"zero threads":    strings.Replace(good, "p=1", "p=0", 1),
		"salt not coded":  "$argon2id$v=19$m=64,t=1,p=1$!!!$" + strings.Split(good, "$")[5],
		"short hash":      "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$YWJj",
		"a field more":    good + "$x",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := hasher.Verify(t.Context(), hash, domain.NewSecret("admin")); !errors.Is(err, ErrMalformed) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAHashOfOtherParametersNeedsANewOne(t *testing.T) {
	hasher := newHasher(t, 1)
	for name, test := range map[string]struct {
		params Params
		want   bool
	}{
		"same":        {cheap, false},
		"less memory": {Params{MemoryKiB: 32, Time: 1, Threads: 1}, true},
		"more passes": {Params{MemoryKiB: 64, Time: 2, Threads: 1}, true},
		"two threads": {Params{MemoryKiB: 64, Time: 1, Threads: 2}, true},
	} {
		other, err := New(test.params, 1)
		if err != nil {
			t.Fatal(err)
		}
		if got := hasher.NeedsRehash(other.Dummy()); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if hasher.NeedsRehash("admin") {
		t.Error("what is no hash needs no new one")
	}
}

func TestParametersOutOfBoundsAreRefused(t *testing.T) {
	for name, params := range map[string]Params{
		"no threads":             {MemoryKiB: 64, Time: 1},
		"no passes":              {MemoryKiB: 64, Threads: 1},
		"too many passes":        {MemoryKiB: 64, Time: maxTime + 1, Threads: 1},
		"too little for threads": {MemoryKiB: 31, Time: 1, Threads: 4},
		"too much memory":        {MemoryKiB: maxMemoryKiB + 1, Time: 1, Threads: 1},
	} {
		if _, err := New(params, 1); err == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4")
	f.Add("$argon2id$v=19$m=64,t=1,p=1$$")
	f.Fuzz(func(t *testing.T, hash string) {
		params, salt, sum, err := parse(hash)
		if err != nil {
			return
		}
		if params.MemoryKiB > maxMemoryKiB || params.Time > maxTime || len(salt) < 8 || len(sum) < 16 {
			t.Errorf("accepted %q", hash)
		}
	})
}

func BenchmarkVerifyDefault(b *testing.B) {
	hasher, err := New(DefaultParams, 1)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := hasher.Verify(b.Context(), hasher.Dummy(), domain.NewSecret("x")); err != nil {
			b.Fatal(err)
		}
	}
}
