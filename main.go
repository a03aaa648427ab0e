// Helfy is an authentication service whose audit trail is the database's own
// change stream.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"helfy/ports/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// Once the first signal has begun the shutdown, a second one ends the
	// process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(cli.Main(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}
