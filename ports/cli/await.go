package cli

import (
	"fmt"

	"helfy/service"
)

// tell says on standard error what is being done: standard output is for
// results.
func (s session) tell(text string) {
	// Whoever closed stderr does not want to know.
	_, _ = fmt.Fprintf(s.stderr, "helfy: %s\n", text)
}

// await waits for parts and tells what for.
func (s session) await(config service.Config, parts ...service.Part) error {
	return config.Await(s.ctx, func(part service.Part, where string, err error) {
		if err == nil {
			s.tell(fmt.Sprintf("%s at %s: there", part, where))
			return
		}
		s.tell(fmt.Sprintf("waiting for %s at %s, at most %s: %v", part, where, config.StartTimeout, err))
	}, parts...)
}
