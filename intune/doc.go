// Package intune is a client of Microsoft Intune's API for SCEP servers and
// certification authorities that are not Microsoft's: it asks Intune whether a
// certificate request is genuine, reports what became of it, and fetches
// revocation requests. Any SCEP server can use it.
//
// # One enrolment
//
// A device's request carries a challenge that Intune made. ValidateRequest
// asks Intune about the request as a whole. Only when it returns nil may a
// certificate be issued, and only when SendSuccessNotification returned nil,
// too, may the certificate reach the device. When the CA itself fails in
// between, SendFailureNotification tells the administrator. It is not sent for
// what Intune itself refused.
//
// # Errors
//
// ErrRefused means that Intune was asked and said no; Code explains it.
// ErrUnavailable, ErrThrottled, ErrUnauthorized and ErrServiceNotFound mean
// that it could not be asked. All of them mean that nothing is approved. Use
// errors.As with *ServiceError for codes and ids, and for advice to the
// administrator. An error about an argument matches none of them, and nothing
// was sent.
//
// Every answer but HTTP 200 with exactly the code "Success" beside an error
// description is an error: an unknown code, a missing field, a second field
// spelled differently, anything after the JSON object, a redirect.
//
// # Tokens and addresses
//
// The client gets tokens from Microsoft Entra ID through MSAL and looks up
// Intune's address at Microsoft Graph. Both are kept, and renewed before they
// end, in the background: one Client serves any number of goroutines, and
// however many of them begin at once, one request is made for each token and
// one for the address. The address decides where tokens go: it must be https,
// on one of Config.AllowedServiceHosts.
//
// # Faults that pass
//
// With Config.Retries, transport errors and the statuses 408, 429, 500, 502,
// 503 and 504 are tried again, after a random delay that grows and that is not
// shorter than what Microsoft asks for, always within the time of the call.
// Nothing is tried again after a code from Intune. Independent of it, a token
// that is refused (401, 403) is dropped and one new one tried, since a token
// from before a permission was granted lacks it for life. After 429 all calls
// wait together.
//
// # Secrets
//
// No error, log or Attempt holds a token, an application key, a proxy's
// password or a challenge.
package intune
