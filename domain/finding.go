package domain

// FindingKind names what is wrong with the trail.
type FindingKind string

// The kinds of findings.
const (
	// ChainGap is a link that is missing: the next one has a later seq.
	ChainGap FindingKind = "chain-gap"
	// ChainEdit is a link that does not name the hash of the one before it.
	ChainEdit FindingKind = "chain-edit"
	// ChainFork is a second link in one place.
	ChainFork FindingKind = "chain-fork"
	// ChainReorder is a link that was committed after its successor.
	ChainReorder FindingKind = "chain-reorder"
	// BadMAC is an event that no holder of the key has sealed.
	BadMAC FindingKind = "bad-mac"
	// UnattributedChange is a change of a users row that no event explains.
	UnattributedChange FindingKind = "unattributed-change"
	// EventWithoutChange is an event of a user that changed no users row.
	EventWithoutChange FindingKind = "event-without-change"
	// UnannouncedDDL is a schema change of a fed table that no migration has
	// announced.
	UnannouncedDDL FindingKind = "unannounced-ddl"
	// CredentialMAC is a password hash that the service did not write, or has
	// replaced.
	CredentialMAC FindingKind = "credential-mac"
	// SessionMAC is a session that the service did not write, or has ended.
	SessionMAC FindingKind = "session-mac"
	// SealMismatch is a chain that is not as it was sealed.
	SealMismatch FindingKind = "seal-mismatch"
)

// FindingKinds are all kinds that the trail itself can show. A SealMismatch
// shows only beside a seal.
var FindingKinds = []FindingKind{
	ChainGap, ChainEdit, ChainFork, ChainReorder, BadMAC, UnattributedChange, EventWithoutChange,
	UnannouncedDDL, CredentialMAC, SessionMAC,
}

// Finding is something wrong with the trail. Kind and the identity of the
// entry that shows it, CommitTs, Table and RowKey, identify it.
type Finding struct {
	Kind     FindingKind
	CommitTs uint64
	Table    string
	RowKey   string
	UserID   UserID // 0: none
	Username string
	// Detail says in words what is wrong, in at most MaxFindingDetail bytes.
	Detail string
	// Topic, Partition and Offset are where the entry was first read.
	Topic     string
	Partition int32
	Offset    int64
}

// MaxFindingDetail is the greatest length of a finding's detail in bytes.
const MaxFindingDetail = 2000
