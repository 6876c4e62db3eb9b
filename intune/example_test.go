package intune_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/step-ca-intune/step-ca-intune/intune"
)

// A SCEP server asks Intune, issues, and tells Intune, in this order. Against
// the real service tenant, client id and credential are all that is needed.
func Example() {
	sim, request := simulateTenant()
	defer sim.Close()

	client, err := intune.New(intune.Config{
		Tenant:     "contoso.onmicrosoft.com",
		ClientID:   "11111111-2222-3333-4444-555555555555",
		Credential: intune.SecretFile(sim.secretFile),
		Endpoints:  sim.endpoints, TLS: sim.tls, // not needed with the real service
		CallerInfo: "Contoso CA 1.0",
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, transactionID := context.Background(), "A1B2C3"

	_, err = client.ValidateRequest(ctx, transactionID, request)
	if refusal, ok := errors.AsType[*intune.ServiceError](err); ok && errors.Is(err, intune.ErrRefused) {
		log.Fatal(refusal.Code.Explanation(), " ", refusal.Advice)
	} else if err != nil {
		log.Fatal("Intune could not be asked: ", err)
	}
	cert, err := sign(request)
	if err != nil {
		_, _ = client.SendFailureNotification(ctx, transactionID, request, intune.HResultCryptoFailure, "the CA could not sign")
		log.Fatal(err)
	}
	if _, err := client.SendSuccessNotification(ctx, transactionID, request, intune.Issued{Certificate: cert}); err != nil {
		log.Fatal("the certificate must not leave: ", err)
	}
	fmt.Println("issued to", cert.Subject)
	// Output: issued to CN=device-1
}
