package profile

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Names of the pairs by which Windows asks for a validity ([MS-WCCE], section
// 2.2.2.7.10): ValidityPeriod is a unit, ValidityPeriodUnits a number.
const (
	pairUnit   = "ValidityPeriod"
	pairNumber = "ValidityPeriodUnits"
)

// units are the units of ValidityPeriod. A year has 365 days and a month its
// twelfth part, so that twelve months are a year.
var units = map[string]time.Duration{
	"seconds": time.Second,
	"minutes": time.Minute,
	"hours":   time.Hour,
	"days":    24 * time.Hour,
	"weeks":   7 * 24 * time.Hour,
	"months":  730 * time.Hour,
	"years":   8760 * time.Hour,
}

const (
	shortestValidity = time.Hour              // a shorter one would be over on arrival
	longestValidity  = 100 * 8760 * time.Hour // so that no sum overflows
)

// requestedValidity reads the validity out of the enrolment pairs; 0 means that
// none is asked for.
func requestedValidity(values []cryptobyte.String) (time.Duration, error) {
	found := map[string]string{}
	for _, value := range values {
		if err := readPairs(value, found); err != nil {
			return 0, err
		}
	}
	if len(found) == 0 {
		return 0, nil
	}
	number, unit := found[pairNumber], found[pairUnit]
	// Android gives the unit as the number and the number as the unit.
	if strings.Trim(unit, "0123456789") == "" {
		number, unit = unit, number
	}
	return duration(number, unit)
}

func duration(number, unit string) (time.Duration, error) {
	length, ok := units[strings.ToLower(unit)]
	n, err := strconv.ParseUint(number, 10, 31)
	if !ok || err != nil {
		return 0, fmt.Errorf("the requested validity, %.20q %.20q, cannot be read", number, unit)
	}
	if n > uint64(longestValidity/length) {
		return longestValidity, nil
	}
	d := time.Duration(n) * length
	if d < shortestValidity {
		return 0, fmt.Errorf("the requested validity, %s, is shorter than %s", d, shortestValidity)
	}
	return d, nil
}

// readPairs puts into found what matters of
//
//	EnrollmentNameValuePairs ::= SEQUENCE OF EnrollmentNameValuePair
//
// or, as Windows writes it, of a single pair.
func readPairs(value cryptobyte.String, found map[string]string) error {
	list, err := readSequence(value)
	if err != nil {
		return fmt.Errorf("an enrolment name and value pair: %w", err)
	}
	if !list.PeekASN1Tag(asn1.SEQUENCE) {
		return readPair(list, found)
	}
	for !list.Empty() {
		var pair cryptobyte.String
		if !list.ReadASN1(&pair, asn1.SEQUENCE) {
			return errors.New("an enrolment name and value pair is not DER")
		}
		if err := readPair(pair, found); err != nil {
			return err
		}
	}
	return nil
}

// readPair reads the contents of
//
//	EnrollmentNameValuePair ::= SEQUENCE { name BMPSTRING, value BMPSTRING }
//
// Some devices write the value first.
func readPair(pair cryptobyte.String, found map[string]string) error {
	var parts [2]string
	for i := range parts {
		var data cryptobyte.String
		var tag asn1.Tag
		if !pair.ReadAnyASN1(&data, &tag) {
			return errors.New("an enrolment name and value pair is not DER")
		}
		var ok bool
		if parts[i], ok = decodeString(data, tag); !ok {
			return errors.New("an enrolment name and value pair is not text")
		}
	}
	if !pair.Empty() {
		return errors.New("an enrolment name and value pair has more than two parts")
	}
	for i, part := range parts {
		if part != pairUnit && part != pairNumber {
			continue
		}
		text := parts[1-i]
		if old, ok := found[part]; ok && old != text {
			return fmt.Errorf("%s is given twice", part)
		}
		found[part] = text
		return nil
	}
	return nil
}

// Validity returns def, the validity that the claims give, or what the request
// asks for if that is allowed and shorter. The caller counts it from the moment
// of issuing, that is from NotBefore plus step-ca's backdate.
func (r *Request) Validity(def time.Duration) time.Duration {
	if r.validity > 0 && r.validity < def {
		return r.validity
	}
	return def
}
