// Package tso reads TiDB's timestamps: Unix milliseconds and, in the low 18
// bits, a counter within the millisecond.
package tso

import "time"

const logicalBits = 18

// Millis returns the physical part in Unix milliseconds.
func Millis(ts uint64) int64 { return int64(ts >> logicalBits) }

// Time returns the physical part, in UTC.
func Time(ts uint64) time.Time { return time.UnixMilli(Millis(ts)).UTC() }

// Before returns the timestamp that is d older.
func Before(ts uint64, d time.Duration) uint64 { return ts - uint64(d.Milliseconds())<<logicalBits }
