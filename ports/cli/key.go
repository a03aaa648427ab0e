package cli

import (
	"fmt"
	"slices"
	"time"

	"helfy/domain"
	"helfy/service"
)

type keyCommands struct {
	Create     keyCreate     `cmd:"" help:"Make a key for HELFY_KEY_FILE."`
	List       keyList       `cmd:"" help:"List the ids of a key file's keys and what each is for."`
	Add        keyAdd        `cmd:"" help:"Add a key that verifies and does not seal yet: the first half of a rotation."`
	Rotate     keyRotate     `cmd:"" help:"Let another key of the file seal, which every process must have by then: the second half."`
	Usage      keyUsage      `cmd:"" help:"Tell how much each key has sealed; one that is not in the file is an error."`
	CreateSeal keyCreateSeal `cmd:"" help:"Make the two keys that sign and verify seals."`
}

type keyList struct {
	File string `arg:"" help:"Key file."`
}

// Run implements the command.
func (k keyList) Run(s session) error {
	ids, err := service.ListKeys(k.File)
	if err != nil {
		return err
	}
	for i, id := range ids {
		does := "verifies"
		if i == 0 {
			does = "seals and verifies"
		}
		if err := s.say("%s  %s", id, does); err != nil {
			return err
		}
	}
	return nil
}

type keyAdd struct {
	File string `arg:"" help:"Key file."`
}

// Run implements the command.
func (k keyAdd) Run(s session) error {
	id, err := service.AddKey(k.File)
	if err != nil {
		return err
	}
	return s.say("added key %s to %s: give the file to every process, restart them, then run helfy key rotate %s %s", id, k.File, k.File, id)
}

type keyRotate struct {
	File string `arg:"" help:"Key file."`
	ID   string `arg:"" help:"Id of the key that is to seal, as helfy key list has it."`
}

// Run implements the command.
func (k keyRotate) Run(s session) error {
	if err := service.PromoteKey(k.File, k.ID); err != nil {
		return err
	}
	return s.say("key %s seals as soon as processes have read %s anew", k.ID, k.File)
}

type keyUsage struct{}

// Run implements the command.
func (keyUsage) Run(s session) error {
	config, err := s.config(true)
	if err != nil {
		return err
	}
	uses, ids, err := config.KeyUsage(s.ctx)
	if err != nil {
		return err
	}
	used, missing := map[string]bool{}, ""
	for _, use := range uses {
		used[use.KeyID] = true
		when := ""
		if use.From != 0 {
			when = "  " + domain.TimeOfTSO(use.From).Format(time.RFC3339) + " to " + domain.TimeOfTSO(use.To).Format(time.RFC3339)
		}
		if !slices.Contains(ids, use.KeyID) {
			missing, when = use.KeyID, when+"  not in the key file"
		}
		if err := s.say("%s  %d %s%s", use.KeyID, use.Count, use.What, when); err != nil {
			return err
		}
	}
	for _, id := range ids {
		if used[id] {
			continue
		}
		if err := s.say("%s  nothing", id); err != nil {
			return err
		}
	}
	if missing != "" {
		return fmt.Errorf("key %s is needed and not in HELFY_KEY_FILE: what it has sealed counts as forged", missing)
	}
	return nil
}

type keyCreateSeal struct {
	File string `arg:"" type:"path" help:"File to create for the private key; the public one gets the suffix .pub. Neither may exist."`
}

// Run implements the command.
func (k keyCreateSeal) Run(s session) error {
	public, err := service.CreateSealKey(k.File)
	if err != nil {
		return err
	}
	return s.say("created private key %s and public key %s", k.File, public)
}

type keyCreate struct {
	File string `arg:"" help:"File to create; it must not exist."`
}

// Run implements the command.
func (k keyCreate) Run(s session) error {
	if err := service.CreateKey(k.File); err != nil {
		return err
	}
	return s.say("created key file %s", k.File)
}
