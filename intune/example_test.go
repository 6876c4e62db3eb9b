package intune_test

import (
	"context"
	"fmt"

	"github.com/step-ca-intune/step-ca-intune/intune"
)

// A SCEP server asks Intune, issues, and tells Intune, in this order. Against
// the real service tenant, client id and credential are all that is needed.
func Example() {
	tenant, request := simulateTenant()
	defer tenant.Close()
	client, err := intune.New(intune.Config{
		Tenant: "contoso.onmicrosoft.com", ClientID: "11111111-2222-3333-4444-555555555555",
		Credential: intune.SecretFile(tenant.secretFile), CallerInfo: "Contoso CA 1.0",
		Endpoints: tenant.endpoints, TLS: tenant.tls, // not needed with the real service
	})
	stopOn(err)
	ctx, transactionID := context.Background(), "A1B2C3"
	_, err = client.ValidateRequest(ctx, transactionID, request)
	stopOn(err) // intune.ErrRefused, or Intune could not be asked
	cert, err := sign(request)
	if err != nil {
		_, _ = client.SendFailureNotification(ctx, transactionID, request, intune.HResultCryptoFailure, "the CA could not sign")
		stopOn(err)
	}
	_, err = client.SendSuccessNotification(ctx, transactionID, request, intune.Issued{Certificate: cert})
	stopOn(err) // the certificate must not leave
	fmt.Println("issued to", cert.Subject)
	// Output: issued to CN=device-1
}
