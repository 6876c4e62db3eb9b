// Package webhook speaks step-ca's webhook protocol inside the process.
//
// step-ca asks webhooks whether a SCEP challenge is genuine (kind SCEPCHALLENGE) and
// tells them how the request ended (kind NOTIFYING). [Handler] is the server side of
// both as an [net/http.Handler]; [Handler.RoundTripper] carries the calls to it without a
// socket.
//
// # Trust
//
// The round tripper sits in front of every webhook of the CA, and the URLs and ids of
// webhooks are public: step-ca lists them under /provisioners. So that no other webhook
// can speak in the name of a hook of ours, each [Hook] gets a random secret that never
// leaves the process, and the handler accepts a call only if the signature, the id, the
// kind and the provisioner fit together, the body is fresh and was not seen before.
//
// # Answers
//
// The handler always answers 200, also when the receiver panics: step-ca repeats a call
// that fails, a second later and within the time that the device is waiting. A refusal is
// `"allow": false`. There is one exception: when a [Receiver] returns an error to the
// notification of a certificate, the handler panics with [net/http.ErrAbortHandler], and the
// certificate does not leave.
package webhook
