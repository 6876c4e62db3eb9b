// Package provisioner adds the provisioner type Intune to step-ca.
//
// An entry of that type in ca.json becomes a SCEP provisioner whose challenges Microsoft
// Intune validates and whose certificates are reported to Intune before they reach the
// device. [Register] is the only thing that a binary has to call.
//
// # How it enters step-ca
//
// step-ca constructs its certificate authority service at each start and each reload.
// Register puts a constructor of its own in front, which reads the Intune entries, adds
// the provisioners that step-ca itself skips, installs the in-process webhooks and
// decorates the service. A stock step-ca skips the entries and issues nothing for them.
//
// # One enrolment
//
// The SCEPCHALLENGE hook asks Intune and leaves an approval for exactly one certificate
// request of one provisioner. The decorated CreateCertificate signs only with such an
// approval, and returns the certificate only after Intune has accepted its success
// notification. The NOTIFYING hook ends the enrolment: it writes the one outcome line
// and sends a failure notification where the failure is the CA's own.
package provisioner
