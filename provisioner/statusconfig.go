package provisioner

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/step-ca-intune/step-ca-intune/provisioner/status"
)

// statusSettings is the `intune` object at the top level of ca.json.
type statusSettings struct {
	// StatusAddress is where the status listener serves, host and port. Default: none.
	StatusAddress string `json:"statusAddress"`
	// StatusAllowRemote lets StatusAddress be one that other machines can reach. Default:
	// false.
	StatusAllowRemote bool `json:"statusAllowRemote"`
}

// StatusAddress returns where the CA of a ca.json serves its status, empty for nowhere.
func StatusAddress(file string) (string, error) {
	s, err := readStatusSettings(file)
	return s.StatusAddress, err
}

// readStatusSettings reads the `intune` object at the top level of a ca.json.
func readStatusSettings(file string) (s statusSettings, err error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return s, fmt.Errorf("reading the configuration: %w", err)
	}
	var top map[string]json.RawMessage
	// As step-ca: the first JSON value of the file, whatever follows it.
	if err := json.NewDecoder(bytes.NewReader(data)).Decode(&top); err != nil {
		return s, fmt.Errorf("parsing %s: %w", file, err)
	}
	var raw json.RawMessage
	for key, value := range top {
		if !strings.EqualFold(key, "intune") {
			continue
		}
		if raw != nil {
			return s, topError("", errors.New("the key is there twice"))
		}
		raw = value
	}
	if raw == nil {
		return s, nil
	}
	if key, ok := doubled(json.NewDecoder(bytes.NewReader(raw)), ""); ok {
		return s, topError(key, errors.New("the key is there twice"))
	}
	if key, err := decodeStrict(raw, &s); err != nil {
		return s, topError(key, err)
	}
	if err := status.CheckAddress(s.StatusAddress, s.StatusAllowRemote); err != nil {
		return s, topError("statusAddress", err)
	}
	return s, nil
}

// topError is a mistake in the `intune` object at the top level, in one line.
func topError(key string, err error) error {
	return fmt.Errorf("%s: %w", strings.TrimSuffix("intune."+key, "."), err)
}
