package provisioner

import (
	"time"

	"github.com/smallstep/certificates/authority"
)

// names are the provisioners of a CA under construction, ours and others, by what matters
// about them: their names, which certificates carry for years.
type names struct {
	ours       []rawEntry
	neighbours []neighbour
	known      known
	database   *waitingDB // nil for none
	remote     *remoteDB  // nil without remote management
	past       map[string]bool
}

// readNames reads them from the database and refuses a name that two have.
func readNames(a *authority.Authority, ours []rawEntry, database *waitingDB) (*names, error) {
	n := &names{ours: ours, database: database, past: map[string]bool{}}
	var err error
	if database != nil {
		if n.known, err = readKnown(database); err != nil {
			return nil, err
		}
	}
	past := n.known.past(ours)
	for _, name := range past {
		n.past[name] = true
	}
	conf := a.GetConfig()
	if n.remote, err = openRemote(a, past, newLogger(conf.Logger)); err != nil {
		return nil, err
	}
	if n.neighbours, err = neighboursOf(conf, n.remote); err != nil {
		return nil, err
	}
	return n, n.known.noneTaken(ours, n.neighbours)
}

// serve is called when step-ca serves the entries.
func (n *names) serve(i *instance) error {
	if err := n.remote.seal(i.entries); err != nil {
		return err
	}
	conf := i.authority.GetConfig()
	if n.remote != nil && len(n.ours) > 0 && conf.AuthorityConfig.Policy.GetX509Options() != nil {
		i.log.Warn("authority.policy of ca.json is not applied: with authority.enableAdmin step-ca takes the policy of its database, `step ca policy authority`")
	}
	if n.database == nil {
		return nil
	}
	n.known.logMissing(n.ours, conf.Filepath(), i.log)
	var served []string
	for _, e := range n.ours {
		served = append(served, e.name)
	}
	return n.known.serve(n.database, served, time.Now())
}
