package profile

import (
	"crypto/x509/pkix"
	stdasn1 "encoding/asn1"
	"fmt"
	"regexp"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

var (
	oidSIDExtension = stdasn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 25, 2}
	oidObjectSID    = stdasn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 25, 2, 1}
)

// sidPrefix begins the URI that Intune puts a SID into and checks ("Preview of
// SAN URI for Certificate Strong Mapping for KB5014754", Microsoft).
const sidPrefix = "tag:microsoft.com,2022-09-14:sid:"

// sidPattern is the text form of a SID ([MS-DTYP], section 2.4.2.1): a
// revision, an authority, up to fifteen sub-authorities.
var sidPattern = regexp.MustCompile(`^S-1-(0|[1-9][0-9]{0,14})(-(0|[1-9][0-9]{0,9})){1,15}$`)

// findSID returns the SID that a URI among sans holds, or "".
func findSID(sans []SAN) (string, error) {
	found := ""
	for _, san := range sans {
		sid, ok := strings.CutPrefix(san.Value, sidPrefix)
		if san.Type != sanURI || !ok {
			continue
		}
		if !sidPattern.MatchString(sid) {
			return "", fmt.Errorf("%q is no SID", sid)
		}
		if found != "" && found != sid {
			return "", fmt.Errorf("two SIDs, %s and %s", found, sid)
		}
		found = sid
	}
	return found, nil
}

// sidExtension is the extension by which a domain controller maps a
// certificate to an account ([MS-WCCE], section 2.2.2.7.7.4). It is written as
// Microsoft's CA does it:
//
//	SEQUENCE { [0] { OBJECT IDENTIFIER 1.3.6.1.4.1.311.25.2.1, [0] { OCTET STRING "S-1-5-…" } } }
func sidExtension(sid string) (pkix.Extension, error) {
	zero := asn1.Tag(0).ContextSpecific().Constructed()
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(zero, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidObjectSID)
			b.AddASN1(zero, func(b *cryptobyte.Builder) {
				b.AddASN1OctetString([]byte(sid))
			})
		})
	})
	value, err := b.Bytes()
	return pkix.Extension{Id: oidSIDExtension, Value: value}, err
}
