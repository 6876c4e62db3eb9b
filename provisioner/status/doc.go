// Package status shows a running CA to its operators: a listener of its own, apart from
// step-ca's, with health, metrics, what has happened lately, and the reports that Intune
// has still to get.
//
// A [Board] collects what the CA tells it, outlives reloads, and serves it:
//
//	/healthz                  the process answers
//	/readyz                   the provisioners stand and the database answers
//	/metrics                  for Prometheus
//	/status                   the last hour, for people
//	/reports, /reports/{id}   the outbox; POST to /reports/{id}/retry or …/drop
//
// Whoever may reach the listener may read the first three. The others hold names of users
// and devices, and decide about reports: they answer this machine alone, whatever address
// the listener has. A page in a browser of this machine is not this machine: requests
// need a loopback Host, which a rebound DNS name is not, and a POST needs the media type
// application/json, which a page of another origin cannot send without asking first.
package status
