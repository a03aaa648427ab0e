package cli

type auditCommands struct {
	Findings auditFindings `cmd:"" help:"List what is wrong with the audit log, the newest first."`
}
