package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"helfy/app/query"
)

type doctorCommand struct {
	JSON bool `name:"json" help:"Print a JSON line for each check."`
}

// Help implements kong.HelpProvider.
func (doctorCommand) Help() string {
	return "Looks at the configuration, the key file, TiDB, Kafka, TiCDC, the changefeed, the consumers and the projections, " +
		"and says of each ok, warn or fail, what was found, and what to do. It changes nothing. The exit code is 1 if anything fails."
}

// Run implements the command.
func (d doctorCommand) Run(s session) error {
	config, err := s.config(false)
	all := checkConfiguration(err)
	if err == nil {
		all = append(all, config.Doctor(s.ctx)...)
	}
	failed := 0
	out := json.NewEncoder(s.stdout)
	for _, one := range all {
		if one.Status == query.CheckFail {
			failed++
		}
		if d.JSON {
			err = out.Encode(one)
		} else {
			err = s.sayDiagnosis(one)
		}
		if err != nil {
			return fmt.Errorf("print diagnosis: %w", err)
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d checks fail", failed, len(all))
	}
	return nil
}

// checkConfiguration makes a diagnosis of each fault of the configuration.
func checkConfiguration(err error) []query.Diagnosis {
	const name = "configuration"
	if err == nil {
		return []query.Diagnosis{{Check: name, Status: query.CheckOK, Found: "every variable is well-formed"}}
	}
	faults := []error{err}
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		faults = joined.Unwrap()
	}
	var all []query.Diagnosis
	for _, fault := range faults {
		all = append(all, query.Diagnosis{Check: name, Status: query.CheckFail, Found: fault.Error(), Advice: "correct the variable; helfy --help tells what each is for"})
	}
	return all
}

func (s session) sayDiagnosis(one query.Diagnosis) error {
	line := fmt.Sprintf("%-4s  %-13s  %s", one.Status, one.Check, strings.ReplaceAll(one.Found, "\n", "; "))
	if one.Advice != "" {
		line += " → " + one.Advice
	}
	return s.say("%s", line)
}
