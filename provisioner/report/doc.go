// Package report keeps what must survive a crash: which certificate requests are under
// way, which certificates have not left yet, and which notifications Intune has still to
// get. All of it lives in step-ca's own database.
package report
