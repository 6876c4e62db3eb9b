package intunesim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// duration is a time.Duration that JSON spells "1h" or "500ms".
type duration time.Duration

func (d duration) MarshalJSON() ([]byte, error) {
	return json.Marshal(time.Duration(d).String())
}

func (d *duration) UnmarshalJSON(data []byte) error {
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return fmt.Errorf("a duration is a string such as %q", "500ms")
	}
	parsed, err := time.ParseDuration(s)
	*d = duration(parsed)
	return err
}

// decodeStrict decodes the one JSON value that r holds; unknown keys are an error.
func decodeStrict(r io.Reader, v any) error {
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("more than one JSON value")
	}
	return nil
}

// object splits a JSON object into its members. encoding/json would take keys
// in any case, ignore unknown ones and let repeated ones win; here each of
// these is an error, as is a required key that is missing.
func object(data []byte, required, optional []string) (map[string]json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	if token, err := dec.Token(); err != nil || token != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	members := map[string]json.RawMessage{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, errors.New("malformed JSON")
		}
		key, _ := token.(string)
		if !slices.Contains(required, key) && !slices.Contains(optional, key) {
			return nil, fmt.Errorf("unknown property %q", key)
		}
		if _, repeated := members[key]; repeated {
			return nil, fmt.Errorf("repeated property %q", key)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, errors.New("malformed JSON")
		}
		members[key] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, errors.New("malformed JSON")
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("bytes after the JSON object")
	}
	for _, key := range required {
		if _, ok := members[key]; !ok {
			return nil, fmt.Errorf("missing property %q", key)
		}
	}
	return members, nil
}

// text decodes a member that must be a string that is not empty.
func text(members map[string]json.RawMessage, key string) (string, error) {
	var s *string
	if err := json.Unmarshal(members[key], &s); err != nil || s == nil || *s == "" {
		return "", fmt.Errorf("property %q must be a string that is not empty", key)
	}
	return *s, nil
}

// optionalText is text for a member that may be left out, but neither null nor "".
func optionalText(members map[string]json.RawMessage, key string) (string, error) {
	if _, ok := members[key]; !ok {
		return "", nil
	}
	return text(members, key)
}
