package crash

// combination is how a round's site is made.
type combination struct {
	name     string
	postgres bool
	queued   bool
	replicas int
}

// combinations share the rounds in turn: a round's seed modulo their number picks one.
var combinations = []combination{
	{name: "strict badger"},
	{name: "queued badger", queued: true},
	{name: "strict PostgreSQL", postgres: true},
	{name: "queued PostgreSQL", postgres: true, queued: true},
	{name: "strict badger"},
	{name: "queued badger", queued: true},
	{name: "strict PostgreSQL, 2 replicas", postgres: true, replicas: 2},
	{name: "queued PostgreSQL, 2 replicas", postgres: true, queued: true, replicas: 2},
}
