package migrations

import (
	_ "embed"
	"fmt"
	"strings"
)

//go:embed grants.txt
var grants string

// Grant is what an account may do with a table.
type Grant struct {
	Table string
	// Privileges are some of SELECT, INSERT, UPDATE and DELETE, in this order.
	Privileges []string
}

// Grants are those of the account of processes that serve HTTP and of the
// account of consumers. The account that migrates may do all of this, and DDL,
// with every table of its database.
type Grants struct {
	API, Consumer []Grant
	// Tables are all that are listed.
	Tables []string
}

var privileges = map[rune]string{'S': "SELECT", 'I': "INSERT", 'U': "UPDATE", 'D': "DELETE"}

// ReadGrants reads grants.txt. Its errors name the line.
func ReadGrants() (all Grants, err error) {
	for line := range strings.Lines(grants) {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(line, "#") {
			continue
		}
		if len(fields) != 3 {
			return all, fmt.Errorf("grants.txt: want a table and two columns, got %q", line)
		}
		all.Tables = append(all.Tables, fields[0])
		for i, list := range []*[]Grant{&all.API, &all.Consumer} {
			grant := Grant{Table: fields[0]}
			for _, letter := range strings.TrimPrefix(fields[i+1], "-") {
				privilege, ok := privileges[letter]
				if !ok {
					return all, fmt.Errorf("grants.txt: there is no privilege %q: %q", letter, line)
				}
				grant.Privileges = append(grant.Privileges, privilege)
			}
			if len(grant.Privileges) > 0 {
				*list = append(*list, grant)
			}
		}
	}
	return all, nil
}
