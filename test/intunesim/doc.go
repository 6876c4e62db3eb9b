// Package intunesim plays Microsoft's side of third-party certificate
// authorities for Intune's SCEP profiles, for tests: Entra ID, which hands out
// tokens, Microsoft Graph, which says where Intune's services are, and Intune,
// which validates certificate requests, takes notifications and passes on
// revocation requests. One HTTPS listener plays all three, over HTTP/1.1 and
// HTTP/2.
//
// # Starting
//
// A test in Go starts one with [Start], several side by side if it likes:
//
//	sim, err := intunesim.Start(intunesim.Options{})
//	…
//	defer sim.Close()
//	challenge, err := sim.NewChallenge(intunesim.Challenge{Subject: "CN=device-1", DeviceID: "device-1"})
//
// Other tests start the program and steer it over HTTP, with [Dial] from Go:
//
//	go run ./test/cmd/intunesim -addr 127.0.0.1:8443 -dir DIR
//
// It writes its TLS root to DIR/root.pem, prints "ready https://127.0.0.1:8443"
// once it serves and stops on SIGTERM. The flags -tenant, -client, -secret,
// -history, -delay and -hosts are the fields of [Options]. Give [Server.URL] to a client as login,
// Graph and Intune address; the Graph resource is that address, the Intune
// resource the same with a slash at its end, as it is at Microsoft.
//
// # What it answers
//
//	GET  /common/discovery/instance                              is this login host genuine?
//	GET  /{tenant}/v2.0/.well-known/openid-configuration         where is the token endpoint?
//	GET  /{tenant}/discovery/v2.0/keys                           what verifies tokens?
//	POST /{tenant}/oauth2/v2.0/token                             client credentials
//	GET  /metadata/identity/oauth2/token                         managed identity
//	GET  /v1.0/servicePrincipals/appId=…/endpoints               where are Intune's services?
//	POST {service}/ScepActions/validateRequest                   may this request be issued?
//	POST {service}/ScepActions/successNotification               it was
//	POST {service}/ScepActions/failureNotification               it could not be
//	POST {service}/CertificateAuthorityRequests/downloadRevocationRequests
//	POST {service}/CertificateAuthorityRequests/uploadRevocationResults
//
// It is strict where Microsoft's rules are known: the application proves itself
// with a registered secret, certificate or federated token; access tokens are
// signed and are verified with audience, expiry and role; headers, methods,
// JSON properties and values must be as Microsoft documents them, and are
// refused with the status and body that Microsoft uses. It does not refuse a
// client-request-id that comes twice, since an HTTP client may repeat a call by
// itself; tests find that in [Server.Requests].
//
// Challenges are signed and encrypted, two to four kilobytes long, and opened
// and compared with the certificate request when they come back. The same
// challenge may be approved more than once, for whatever request matches it. A
// notification is accepted for a
// transaction that was validated with the same certificate request; a repeated
// success notification changes nothing.
//
// # Control requests
//
// They are JSON over the same listener; bodies with unknown keys are refused.
// An answer without content is 204, a refused request 400 with {"error":"…"}.
//
//	POST /_sim/challenges    {"subject":"CN=…","sans":[{"type":"upn","value":"…"}],"keyUsage":["digitalSignature"],
//	                         "extKeyUsage":["clientAuth"],"keyLength":2048,"expiresIn":"1h","deviceID":"…","userID":"…"}
//	                         answers {"challenge":"…"}; see [Challenge], whose other fields are tenantID,
//	                         certificateRequestID, aadKeyIdentifiers and flaw
//	POST /_sim/faults        {"operation":"validateRequest","times":1,"status":503,"retryAfter":"2s","code":"…",
//	                         "body":"…","delay":"500ms","drop":true}; see [Fault], whose other fields are
//	                         errorDescription, header, after and probability
//	DELETE /_sim/faults      no faults any more
//	GET /_sim/requests       every call received: time, operation, method, path, proto, headers, body, status, answer;
//	                         the newest 10,000
//	DELETE /_sim/requests    forget them
//	GET /_sim/stats          {"connections":1,"handshakes":1,"calls":{"token":2},"answering":300000000} since the start; the last
//	                         is how long the calls to the SCEP operations took together, in nanoseconds
//	GET /_sim/certificates   what Intune's console would list; see [Certificate]
//	POST /_sim/revocations   {"serialNumber":"…","issuerName":"…","caConfiguration":"…"} answers {"requestContext":"…"}
//	GET /_sim/revocations    the revocation requests with their uploaded results; see [Revocation]
//	POST /_sim/untarget      {"deviceID":"…"}: the profile no longer targets the device
//	POST /_sim/remove        {"deviceID":"…","userID":"…","certificateRequestID":"…"}: deleted, each may be left out
//	POST /_sim/secrets       {"valid":["…"],"expired":["…"]}: the application's secrets from now on
//	POST /_sim/credentials   {"certificates":["PEM"],"federations":[{"issuer":"…","subject":"…","audience":"…",
//	                         "publicKey":"PEM"}]}: what may sign assertions; a list left out stays
//	POST /_sim/tokens        {"lifetime":"1h","refreshIn":"30m","intuneRoles":["…"],"graphRoles":["…"]}: access tokens
//	                         from now on; see [Tokens]
//	POST /_sim/services      {"services":[{"providerName":"…","uri":"…"}],"pageSize":1}: Graph's list; a uri that
//	                         begins with / lies on the simulator, {} restores the list
//	POST /_sim/clock         {"advance":"61m"}: moves the simulator's clock, the Date header included
package intunesim
