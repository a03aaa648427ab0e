package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// probeTimeout bounds a probe: an orchestrator asks again.
const probeTimeout = 3 * time.Second

// maxProbeAnswer bounds what is shown of an answer, in bytes.
const maxProbeAnswer = 256

type probeCommand struct {
	URL string `arg:"" help:"What to ask, such as http://127.0.0.1:3000/readyz."`
}

// Run implements the command. An image without a shell has no other way to
// ask.
func (p probeCommand) Run(s session) error {
	ctx, cancel := context.WithTimeout(s.ctx, probeTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL, nil)
	if err != nil {
		return fmt.Errorf("probe %s: %w", p.URL, err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(response.Body, maxProbeAnswer))
	if err != nil {
		return fmt.Errorf("probe %s: read the answer: %w", p.URL, err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("probe %s: %s: %s", p.URL, response.Status, text)
	}
	return s.say("%s", text)
}
