// Package device plays a managed device for tests, the demo and benchmarks: it
// builds certificate requests as Windows, iPhone and Android do, or as nobody
// should, and speaks SCEP (RFC 8894) over HTTP with them.
//
// A [CSR] describes a request and builds a [Request]; [Connect] asks a SCEP
// server for its certificates; [Client.Prepare] does the device's own work, so
// that a benchmark can leave it out; [Client.Send] makes the exchange and
// checks the answer as RFC 8894 section 3 wants it checked.
package device
