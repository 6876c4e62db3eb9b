// Package monitoring checks the examples for Prometheus and Grafana against the metrics
// that exist.
package monitoring
