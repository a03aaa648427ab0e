// Package cli is how a person at a terminal reaches the service.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"

	"helfy/service"
)

// commands is the command line.
type commands struct {
	Run         runCommand         `cmd:"" help:"Serve HTTP and keep the projections up to date, all in one process."`
	Serve       serveCommand       `cmd:"" help:"Serve HTTP only."`
	Consume     consumeCommand     `cmd:"" help:"Keep the projections up to date only."`
	Migrate     migrateCommands    `cmd:"" help:"Look after the database's schema."`
	TiDB        tidbCommands       `cmd:"" name:"tidb" help:"Look after the accounts in TiDB."`
	Topics      topicsCommands     `cmd:"" help:"Look after Kafka's topics."`
	Changefeed  changefeedCommand  `cmd:"" help:"Look after TiCDC's changefeed."`
	Doctor      doctorCommand      `cmd:"" help:"Look at every part, and say what to do about what is wrong."`
	User        userCommands       `cmd:"" help:"Look after users."`
	Hash        hashCommands       `cmd:"" help:"Look after the hashing of passwords."`
	Audit       auditCommands      `cmd:"" help:"Look into the audit trail, verify, seal and export it."`
	Key         keyCommands        `cmd:"" help:"Make the keys that seal events and sign seals."`
	Rebuild     rebuildCommand     `cmd:"" help:"Make a projection anew from the topics, beside the live one, and switch to the result."`
	Rollback    rollbackCommand    `cmd:"" help:"Make the generation of a projection live again that was so before."`
	Projections projectionsCommand `cmd:"" help:"Look after the generations of projections."`
	Deadletters deadLetterCommands `cmd:"" help:"Look after messages that projections could not understand."`
	Message     messageCommands    `cmd:"" help:"Look at messages of the topics."`
	Probe       probeCommand       `cmd:"" help:"Ask a URL within three seconds, for health checks; an answer other than 200 is an error."`

	Notifications notificationCommands `cmd:"" help:"Look at notifications, and send again those that were given up."`
}

// session is what every command gets.
type session struct {
	ctx     context.Context
	environ []string
	stdin   io.Reader
	stdout  io.Writer
	stderr  io.Writer
}

func (s session) config(needsKey bool) (service.Config, error) {
	return service.ReadConfig(s.environ, needsKey)
}

func (s session) say(format string, args ...any) error {
	_, err := fmt.Fprintf(s.stdout, format+"\n", args...)
	return err
}

// exitError is a failure with an exit code of its own.
type exitError struct {
	error
	code int
}

// Unwrap gives the failure.
func (e exitError) Unwrap() error { return e.error }

// Main runs the command of args with an environment, in the form of
// os.Environ, until it is done or ctx ends, and returns the exit code: 0, 1
// for a failure unless the command's help says otherwise, 80 for a wrong
// command line.
func Main(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var line commands
	exit := -1
	parser, err := kong.New(&line,
		kong.Name("helfy"),
		kong.Description("An authentication service whose audit trail is the database's own change stream."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exit = code }),
		kong.Help(help),
		kong.UsageOnError(),
	)
	if err != nil {
		panic(err) // the commands above are malformed
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	chosen, err := parser.Parse(args)
	if exit >= 0 {
		return exit // --help
	}
	if err != nil {
		parser.FatalIfErrorf(err)
		return exit
	}
	if err := chosen.Run(session{ctx: ctx, environ: environ, stdin: stdin, stdout: stdout, stderr: stderr}); err != nil {
		// Whoever closed stderr does not want to know.
		_, _ = fmt.Fprintf(stderr, "helfy: %s\n", strings.ReplaceAll(err.Error(), "\n", "\nhelfy: "))
		if coded := (exitError{}); errors.As(err, &coded) {
			return coded.code
		}
		return 1
	}
	return 0
}

// help shows kong's help, and the environment behind that of the program.
func help(options kong.HelpOptions, ctx *kong.Context) error {
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil {
		return err
	}
	if ctx.Selected() != nil {
		return nil
	}
	if _, err := fmt.Fprintln(ctx.Stdout, "\nEnvironment [default]:"); err != nil {
		return err
	}
	return service.DescribeConfig(ctx.Stdout)
}
