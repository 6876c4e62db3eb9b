package intune

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// answer is what Intune says to a validation or a notification.
type answer struct {
	code        Code
	description string
}

// parseAnswer reads {"code":"…","errorDescription":"…"}. It is stricter than
// encoding/json, which takes a key in any case and the last of several: an
// answer that two readers could understand differently approves nothing.
func parseAnswer(body []byte) (answer, error) {
	var a answer
	fields, err := objectOf(body, "code", "errorDescription")
	if err != nil {
		return a, err
	}
	for key, to := range map[string]*string{"code": (*string)(&a.code), "errorDescription": &a.description} {
		raw, ok := fields[key]
		if !ok {
			return answer{}, fmt.Errorf("the answer has no %q", key)
		}
		if raw[0] != '"' || json.Unmarshal(raw, to) != nil {
			return answer{}, fmt.Errorf("the answer's %q is not a string", key)
		}
	}
	if a.code == "" {
		return answer{}, errors.New("the answer's code is empty")
	}
	return a, nil
}

// objectOf reads one JSON object and nothing after it. A key of interest may
// stand there once, and not a second time in another case.
func objectOf(body []byte, keys ...string) (map[string]json.RawMessage, error) {
	errNotJSON := errors.New("the answer is not a JSON object")
	if !utf8.Valid(body) {
		return nil, errNotJSON
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errNotJSON
	}
	fields := make(map[string]json.RawMessage)
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, errNotJSON
		}
		name, _ := t.(string)
		var raw json.RawMessage
		if d.Decode(&raw) != nil || len(raw) == 0 {
			return nil, errNotJSON
		}
		for _, key := range keys {
			if !strings.EqualFold(name, key) {
				continue
			}
			if _, twice := fields[key]; twice || name != key {
				return nil, fmt.Errorf("the answer has %q more than once or spelled differently", key)
			}
			fields[key] = raw
		}
	}
	if t, err := d.Token(); err != nil || t != json.Delim('}') {
		return nil, errNotJSON
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something follows the JSON object of the answer")
	}
	return fields, nil
}
