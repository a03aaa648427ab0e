package service

import (
	"runtime"
	"sync"
)

// spareProcessors doubles GOMAXPROCS, once. Password hashes run on as many
// processors as there are (argon2id.Hasher), for tens of milliseconds each,
// and Go lets what becomes ready wait for them. With as many threads again,
// the operating system chooses instead, and prefers what has slept: a request
// is answered while all processors hash.
var spareProcessors = sync.OnceFunc(func() { runtime.GOMAXPROCS(2 * runtime.GOMAXPROCS(0)) })

// headroom lets so many bytes of garbage pile up before they are collected,
// beyond what Go would allow, until the function that it returns is called.
// The memory of a password hash is garbage as soon as the hash is done, and
// much more than all else that a login leaves behind: without this, each login
// would make the collector look through the whole heap. The bytes are never
// touched, so that they cost no memory themselves.
func headroom(bytes int) (release func()) {
	ballast := make([]byte, bytes)
	return func() { runtime.KeepAlive(&ballast[0]) }
}
