package intune

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// loginFault is an error of Microsoft Entra ID (RFC 6749, section 5.2, and its
// AADSTS number).
type loginFault struct {
	code, description string
	aadsts            int
}

var aadstsNumber = regexp.MustCompile(`AADSTS([0-9]{4,9})`)

// parseLoginFault gets what it can from any body; it never fails.
func parseLoginFault(body []byte) loginFault {
	var b struct {
		Error       json.RawMessage `json:"error"`
		Description string          `json:"error_description"`
		Codes       []int           `json:"error_codes"`
	}
	if json.Unmarshal(body, &b) != nil {
		return loginFault{}
	}
	f := loginFault{description: b.Description}
	_ = json.Unmarshal(b.Error, &f.code) // an object instead of a string means no code
	if m := aadstsNumber.FindStringSubmatch(b.Description); m != nil {
		f.aadsts, _ = strconv.Atoi(m[1])
	} else if len(b.Codes) > 0 {
		f.aadsts = b.Codes[0]
	}
	// What follows repeats ids and the time, line by line.
	f.description, _, _ = strings.Cut(f.description, "\r\n")
	f.description, _, _ = strings.Cut(f.description, " Trace ID:")
	return f
}

func (f loginFault) text() string {
	text := strings.TrimSuffix(f.code+": "+f.description, ": ")
	if known, ok := aadsts[f.aadsts]; ok {
		return fmt.Sprintf("AADSTS%d, %s (%s)", f.aadsts, known.meaning, text)
	}
	return strings.TrimPrefix(text, ": ")
}

// advice says what an administrator must grant or renew.
func (f loginFault) advice(managed bool) string {
	if known, ok := aadsts[f.aadsts]; ok {
		return known.advice
	}
	if managed {
		return "Check that the managed identity is assigned to this machine or workload."
	}
	if f.aadsts != 0 {
		return fmt.Sprintf("Look up AADSTS%d at https://login.microsoftonline.com/error.", f.aadsts)
	}
	return "Check tenant, clientID and credential in the configuration."
}

// aadsts has the errors that an application with its own permissions meets.
var aadsts = map[int]struct{ meaning, advice string }{
	7000215: {"the application key is wrong", "Put the value of a valid client secret, not its id, into the configuration."},
	7000222: {"the application key has expired", "Make a new client secret in the app registration and put it into the configuration."},
	7000216: {"the request has no credential", "Configure a client secret, a certificate or a federated token."},
	7000112: {"the application is disabled", "Enable the enterprise application in Microsoft Entra ID."},
	700016:  {"the tenant has no such application", "Check clientID and tenant; the application must be registered in this tenant or have its consent."},
	90002:   {"there is no such tenant", "Check tenant and cloud."},
	900023:  {"the tenant's name is not valid", "Check tenant."},
	500011:  {"the tenant has no such resource", "Check cloud and endpoints; Intune must be licensed in the tenant."},
	900382:  {"the application belongs to another cloud", "Check cloud."},
	700027:  {"the certificate is not one of the application's", "Upload the certificate to the app registration, and check that certificate and key belong together."},
	700024:  {"the assertion is not within its time", "Check the clock of this machine."},
	700211:  {"no federated credential has this issuer", "Compare the issuer of the federated credential in the app registration with that of the token file."},
	700213:  {"no federated credential has this subject", "Compare the subject of the federated credential in the app registration with that of the token file."},
	70021:   {"no federated credential matches the token", "Compare issuer, subject and audience of the federated credential in the app registration with the token file."},
	7000229: {"the application has no service principal in the tenant", "Grant admin consent for the application in this tenant."},
	650052:  {"the tenant does not have a service that the application asks for", "Check that Intune is licensed in the tenant, then grant admin consent again."},
	500021:  {"a proxy with tenant restrictions does not let this tenant through", "Allow the tenant at the proxy, or set proxy to another way to Microsoft."},
	50196:   {"Microsoft has seen the same request too often", "Wait some minutes; if it stays, find out what restarts this program."},
	90033:   {"a service behind Microsoft Entra ID is not available", "Try again later; look at Microsoft's service health if it stays."},
	53003:   {"a Conditional Access policy blocks the application", "Exclude the application from the policy, or meet its conditions."},
	1002012: {"the scope is not valid", "Check endpoints.graph and endpoints.intune."},
}
