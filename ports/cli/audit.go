package cli

import (
	"encoding/json"
	"errors"
	"fmt"

	"helfy/service"
)

type auditCommands struct {
	Findings     auditFindings     `cmd:"" help:"List what is wrong with the audit log, the newest first."`
	Verify       auditVerify       `cmd:"" help:"Verify the audit trail: chains, attribution, schema changes, and what a seal says."`
	Seal         auditSeal         `cmd:"" help:"Sign what the audit trail is at its watermark, so that history rewritten later shows."`
	ExportTopics auditExportTopics `cmd:"" help:"Write both topics into a folder, for an auditor without Kafka and TiDB."`
}

type auditVerify struct {
	From      string `default:"kafka" help:"Where to read: kafka, table (the audit log's, with what is stored beside it) or a folder that export-topics wrote."`
	User      string `placeholder:"NAME" help:"Tell only of users who ever had this name."`
	Seal      string `type:"path" placeholder:"FILE" help:"Compare with a seal; needs --public-key."`
	PublicKey string `type:"path" placeholder:"FILE" help:"Key that must have signed the seal."`
	JSON      bool   `name:"json" help:"Print the report as JSON."`
}

// errNotClean gives the exit code; the report says the rest.
var errNotClean = errors.New("the audit trail is not clean")

// Run implements the command.
func (a auditVerify) Run(s session) error {
	if (a.Seal == "") != (a.PublicKey == "") {
		return errors.New("--seal and --public-key go together: a key that came with the seal would prove nothing")
	}
	config, err := s.config(false)
	if err != nil {
		return err
	}
	progress := s.progress("verifying", a.JSON)
	report, err := config.VerifyAudit(s.ctx, service.Examination{
		From: a.From, User: a.User, SealFile: a.Seal, PublicKeyFile: a.PublicKey, Progress: progress.update,
	})
	progress.end()
	if err != nil {
		return err
	}
	out := newReport(report, a.User, a.Seal != "")
	if a.JSON {
		err = json.NewEncoder(s.stdout).Encode(out)
	} else {
		err = out.print(s)
	}
	if err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	if !report.Clean() {
		return errNotClean
	}
	return nil
}

type auditSeal struct {
	From string `default:"kafka" help:"Where to read: kafka, table or a folder that export-topics wrote."`
	Key  string `required:"" type:"path" placeholder:"FILE" help:"Private key; helfy key create-seal makes one."`
	Out  string `required:"" type:"path" placeholder:"FILE" help:"File to create; it must not exist."`
	JSON bool   `name:"json" help:"Print the result as JSON."`
}

// Run implements the command.
func (a auditSeal) Run(s session) error {
	config, err := s.config(false)
	if err != nil {
		return err
	}
	progress := s.progress("sealing", a.JSON)
	report, err := config.SealAudit(s.ctx, service.Examination{From: a.From, Progress: progress.update}, a.Key, a.Out)
	progress.end()
	if err != nil {
		return err
	}
	out := newReport(report, "", false)
	if a.JSON {
		return json.NewEncoder(s.stdout).Encode(out)
	}
	if len(report.Findings)+len(report.Faults) > 0 {
		if err := s.say("warning: what is sealed is not clean: %d findings, %d records that could not be judged; see helfy audit verify",
			len(report.Findings), report.FaultCount); err != nil {
			return err
		}
	}
	return s.say("sealed %d chains and %d entries through %s in %s", len(out.Heads), out.Entries, out.VerifiedThrough, a.Out)
}

type auditExportTopics struct {
	Dir  string `arg:"" type:"path" help:"Folder to write; it must not exist or be empty."`
	JSON bool   `name:"json" help:"Print the manifest as JSON."`
}

// Run implements the command.
func (a auditExportTopics) Run(s session) error {
	config, err := s.config(false)
	if err != nil {
		return err
	}
	progress := s.progress("exporting", a.JSON)
	manifest, err := config.ExportTopics(s.ctx, a.Dir, progress.update)
	progress.end()
	if err != nil {
		return err
	}
	if a.JSON {
		return json.NewEncoder(s.stdout).Encode(manifest)
	}
	for _, topic := range manifest.Topics {
		for _, p := range topic.Partitions {
			if err := s.say("%s[%d]: %d records, offsets %d to %d, in %s", topic.Name, p.Partition, p.Count, p.FirstOffset, p.EndOffset-1, p.File); err != nil {
				return err
			}
			if p.FirstOffset == 0 {
				continue
			}
			if err := s.say("%s[%d]: warning: offsets 0 to %d are lost to retention", topic.Name, p.Partition, p.FirstOffset-1); err != nil {
				return err
			}
		}
	}
	return s.say("exported to %s; verify it by: helfy audit verify --from %s", a.Dir, a.Dir)
}
