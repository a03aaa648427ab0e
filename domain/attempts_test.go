package domain

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

var policy = LockPolicy{MaxFailures: 3, Window: 15 * time.Minute, LockTime: 30 * time.Second, MaxLockTime: 2 * time.Minute}

// fail makes so many tries fail at once and reports whether the last one locks.
func fail(t *testing.T, a *Attempts, times int, at time.Time) (locks bool) {
	t.Helper()
	for i := range times {
		id := fmt.Sprint("failing", i)
		if grant := a.Reserve(id, at, policy); grant != Granted {
			t.Fatalf("try %d of %d is answered %d", i+1, times, grant)
		}
		locks = a.Fail(id, at, policy)
	}
	return locks
}

func TestTooManyFailuresLock(t *testing.T) {
	var a Attempts
	if fail(t, &a, 2, noon) {
		t.Fatal("two failures lock")
	}
	if !fail(t, &a, 1, noon) {
		t.Fatal("the third failure does not lock")
	}
	if grant := a.Reserve("x", noon.Add(29*time.Second), policy); grant != Locked {
		t.Errorf("answered %d during the lock", grant)
	}
	a.Release("x")
	if grant := a.Reserve("x", noon.Add(31*time.Second), policy); grant != Granted {
		t.Errorf("answered %d after the lock", grant)
	}
}

func TestTriesDuringALockNeitherCountNorProlongIt(t *testing.T) {
	var a Attempts
	fail(t, &a, 3, noon)
	until := a.LockedUntil
	for i := range 100 {
		id := fmt.Sprint(i)
		if grant := a.Reserve(id, noon.Add(time.Second), policy); grant != Locked {
			t.Fatalf("answered %d", grant)
		}
		if a.Fail(id, noon.Add(time.Second), policy) {
			t.Fatal("it locks again")
		}
	}
	if a.LockedUntil != until || a.Locks != 1 {
		t.Errorf("got %+v", a)
	}
}

func TestEachLockLastsTwiceAsLong(t *testing.T) {
	var a Attempts
	at := noon
	for _, want := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 2 * time.Minute} {
		fail(t, &a, 3, at)
		if got := a.LockedUntil.Sub(at.Truncate(time.Microsecond)); got != want {
			t.Errorf("lock %d lasts %s, want %s", a.Locks, got, want)
		}
		at = at.Add(want + time.Second)
	}
}

func TestLocksAreForgottenAfterASuccessOrAQuietDay(t *testing.T) {
	for name, calm := range map[string]func(*Attempts){
		"success": func(a *Attempts) { a.Succeed("x") },
		"day":     func(*Attempts) {},
	} {
		t.Run(name, func(t *testing.T) {
			var a Attempts
			fail(t, &a, 3, noon)
			fail(t, &a, 3, noon.Add(time.Minute))
			calm(&a)
			later := noon.Add(25 * time.Hour)
			fail(t, &a, 3, later)
			if a.Locks != 1 {
				t.Errorf("it is lock %d, want the first", a.Locks)
			}
		})
	}
}

func TestFailuresOfAnEarlierWindowDoNotCount(t *testing.T) {
	var a Attempts
	fail(t, &a, 2, noon)
	if fail(t, &a, 2, noon.Add(policy.Window)) {
		t.Error("failures of two windows lock")
	}
}

func TestManyParallelSuccessesLockNobodyOut(t *testing.T) {
	var a Attempts
	for i := range policy.MaxFailures {
		if grant := a.Reserve(fmt.Sprint(i), noon, policy); grant != Granted {
			t.Fatalf("try %d is answered %d", i, grant)
		}
	}
	if grant := a.Reserve("one more", noon, policy); grant != Full {
		t.Fatalf("one more is answered %d, want it to wait", grant)
	}
	a.Succeed("0")
	if grant := a.Reserve("one more", noon, policy); grant != Granted {
		t.Errorf("after a success it is answered %d", grant)
	}
	for _, id := range []string{"1", "2", "one more"} {
		a.Succeed(id)
	}
	if a.Failures != 0 || len(a.Reservations) != 0 {
		t.Errorf("left is %+v", a)
	}
}

func TestAskingAgainGivesTheSameAnswer(t *testing.T) {
	var a Attempts
	for range 5 {
		if grant := a.Reserve("x", noon, policy); grant != Granted {
			t.Fatalf("answered %d", grant)
		}
	}
	if len(a.Reservations) != 1 {
		t.Errorf("%d places are taken", len(a.Reservations))
	}
	var locked Attempts
	fail(t, &locked, 3, noon)
	for range 5 {
		if grant := locked.Reserve("x", noon, policy); grant != Locked {
			t.Fatalf("answered %d", grant)
		}
	}
}

func TestThePlaceOfAKilledProcessIsFreeInTime(t *testing.T) {
	var a Attempts
	for i := range policy.MaxFailures {
		a.Reserve(fmt.Sprint(i), noon, policy)
	}
	if grant := a.Reserve("x", noon.Add(ReservationTime-time.Second), policy); grant != Full {
		t.Errorf("answered %d before the places expire", grant)
	}
	if grant := a.Reserve("x", noon.Add(ReservationTime), policy); grant != Granted {
		t.Errorf("answered %d after that", grant)
	}
}

func TestAClockThatIsSetBackProlongsNothing(t *testing.T) {
	const back = 10 * time.Hour
	t.Run("lock", func(t *testing.T) {
		var a Attempts
		fail(t, &a, 3, noon)
		a.Reserve("x", noon.Add(-back), policy)
		if grant := a.Reserve("y", noon.Add(-back+policy.MaxLockTime), policy); grant != Granted {
			t.Errorf("answered %d after the greatest time of a lock", grant)
		}
	})
	t.Run("place", func(t *testing.T) {
		var a Attempts
		for i := range policy.MaxFailures {
			a.Reserve(fmt.Sprint(i), noon, policy)
		}
		a.Reserve("x", noon.Add(-back), policy)
		if grant := a.Reserve("x", noon.Add(-back+ReservationTime), policy); grant != Granted {
			t.Errorf("answered %d after the time of a place", grant)
		}
	})
	t.Run("window", func(t *testing.T) {
		var a Attempts
		fail(t, &a, 2, noon)
		a.Reserve("x", noon.Add(-back), policy)
		a.Release("x")
		if fail(t, &a, 2, noon.Add(-back+policy.Window)) {
			t.Error("failures of two windows lock")
		}
	})
}

func TestAPolicyThatHasBecomeStricterLeavesOnePlace(t *testing.T) {
	a := Attempts{Failures: 50, FirstFailedAt: noon, LastFailedAt: noon}
	if grant := a.Reserve("x", noon, policy); grant != Granted {
		t.Fatalf("answered %d", grant)
	}
	if grant := a.Reserve("y", noon, policy); grant != Full {
		t.Errorf("a second one is answered %d", grant)
	}
	if !a.Fail("x", noon, policy) {
		t.Error("its failure must lock")
	}
}

func TestWithoutALimitNothingLocks(t *testing.T) {
	off := policy
	off.MaxFailures = 0
	a := Attempts{Failures: 3, LockedUntil: noon.Add(time.Minute)}
	for i := range 100 {
		id := fmt.Sprint(i)
		if grant := a.Reserve(id, noon, off); grant != Granted {
			t.Fatalf("answered %d", grant)
		}
		if i%2 == 0 && a.Fail(id, noon, off) {
			t.Fatal("it locks")
		}
	}
}

func TestClearingKeepsPlaces(t *testing.T) {
	var a Attempts
	fail(t, &a, 2, noon)
	a.Reserve("x", noon, policy)
	if !a.Clear() || !a.UnderWay("x") || a.Failures != 0 {
		t.Errorf("got %+v", a)
	}
	if a.Clear() {
		t.Error("there is nothing left to clear")
	}
}

// Whatever happens in whichever order, no more passwords are verified between
// two locks than the policy allows.
func TestNoOrderOfEventsVerifiesMoreThanMayFail(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var a Attempts
		var underWay []string
		verified, at := 0, noon
		for i := range 60 {
			at = at.Add(time.Duration(random.IntN(100)) * time.Millisecond) // no place expires
			if id := fmt.Sprint(i); random.IntN(3) > 0 {
				switch a.Reserve(id, at, policy) {
				case Granted:
					underWay = append(underWay, id)
					verified++
				case Locked:
					a.Fail(id, at, policy)
				case Full:
				}
				continue
			}
			if len(underWay) == 0 {
				continue
			}
			a.Fail(underWay[0], at, policy)
			underWay = underWay[1:]
		}
		if verified > policy.MaxFailures {
			t.Fatalf("%d were verified, %d may fail: %+v", verified, policy.MaxFailures, a)
		}
	}
}
