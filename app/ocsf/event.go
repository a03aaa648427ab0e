// Package ocsf writes audit entries as events of the Open Cybersecurity Schema
// Framework, version 1.3.0: https://schema.ocsf.io/1.3.0. It is pure.
package ocsf

// Version is that of the schema.
const Version = "1.3.0"

// The classes that are used, all of the category Identity & Access Management.
const (
	category         = 3
	accountChange    = 3001
	authentication   = 3002
	entityManagement = 3004
)

var classNames = map[int]string{
	accountChange: "Account Change", authentication: "Authentication", entityManagement: "Entity Management",
}

// other is the activity that no other one fits; activity_name tells which.
const other = 99

// The severities and states.
const (
	informational, low, medium, high = 1, 2, 3, 4
	success, failure                 = 1, 2
)

var (
	severityNames = map[int]string{informational: "Informational", low: "Low", medium: "Medium", high: "High"}
	statusNames   = map[int]string{success: "Success", failure: "Failure"}
)

// Event is an event of the schema: the attributes that are used of it.
type Event struct {
	ActivityID   int           `json:"activity_id"`
	ActivityName string        `json:"activity_name"`
	CategoryUID  int           `json:"category_uid"`
	CategoryName string        `json:"category_name"`
	ClassUID     int           `json:"class_uid"`
	ClassName    string        `json:"class_name"`
	TypeUID      int           `json:"type_uid"`
	TypeName     string        `json:"type_name"`
	Time         int64         `json:"time"` // milliseconds
	SeverityID   int           `json:"severity_id"`
	Severity     string        `json:"severity"`
	StatusID     int           `json:"status_id"`
	Status       string        `json:"status"`
	StatusDetail string        `json:"status_detail,omitempty"`
	Count        int           `json:"count,omitempty"`
	Metadata     metadata      `json:"metadata"`
	Actor        *actor        `json:"actor,omitempty"`
	User         *user         `json:"user,omitempty"`
	Service      *named        `json:"service,omitempty"`
	Session      *identified   `json:"session,omitempty"`
	Source       *endpoint     `json:"src_endpoint,omitempty"`
	Request      *httpRequest  `json:"http_request,omitempty"`
	Entity       *entity       `json:"entity,omitempty"`
	EntityResult *entity       `json:"entity_result,omitempty"`
	Unmapped     unmappedCells `json:"unmapped"`
}

type metadata struct {
	Version      string  `json:"version"`
	Product      product `json:"product"`
	UID          string  `json:"uid"`
	EventCode    string  `json:"event_code"`
	LogName      string  `json:"log_name"`
	OriginalTime string  `json:"original_time,omitempty"`
	Correlation  string  `json:"correlation_uid"`
	Sequence     uint64  `json:"sequence,omitempty"`
}

type product struct {
	Name   string `json:"name"`
	Vendor string `json:"vendor_name"`
}

type actor struct {
	User    *user       `json:"user,omitempty"`
	Session *identified `json:"session,omitempty"`
	AppName string      `json:"app_name,omitempty"`
}

type user struct {
	UID  string `json:"uid,omitempty"`
	Name string `json:"name,omitempty"`
}

type named struct {
	Name string `json:"name"`
}

type identified struct {
	UID string `json:"uid"`
}

type endpoint struct {
	IP string `json:"ip"`
}

type httpRequest struct {
	UID       string `json:"uid,omitempty"`
	UserAgent string `json:"user_agent,omitempty"`
}

type entity struct {
	Type string             `json:"type"`
	Name string             `json:"name"`
	UID  string             `json:"uid,omitempty"`
	Data map[string]*string `json:"data,omitempty"`
}

// unmappedCells are what the schema has no attribute for.
type unmappedCells struct {
	Source    string         `json:"source"`
	Operation string         `json:"operation,omitempty"`
	Payload   map[string]any `json:"payload,omitempty"`
}
