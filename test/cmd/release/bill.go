package main

import (
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"
)

// The bill of materials is made from what Go itself has noted in the binary: the modules
// that are linked, and no others. Its format is SPDX 2.3, which scanners read and which
// needs no more than these few types.
//
// https://spdx.github.io/spdx-spec/v2.3/
type (
	spdxDocument struct {
		Version       string             `json:"spdxVersion"`
		DataLicense   string             `json:"dataLicense"`
		ID            string             `json:"SPDXID"`
		Name          string             `json:"name"`
		Namespace     string             `json:"documentNamespace"`
		Creation      spdxCreation       `json:"creationInfo"`
		Packages      []spdxPackage      `json:"packages"`
		Relationships []spdxRelationship `json:"relationships"`
	}
	spdxCreation struct {
		Created  time.Time `json:"created"`
		Creators []string  `json:"creators"`
	}
	spdxPackage struct {
		ID               string         `json:"SPDXID"`
		Name             string         `json:"name"`
		Version          string         `json:"versionInfo,omitempty"`
		File             string         `json:"packageFileName,omitempty"`
		Location         string         `json:"downloadLocation"`
		FilesAnalyzed    bool           `json:"filesAnalyzed"`
		LicenseConcluded string         `json:"licenseConcluded"`
		LicenseDeclared  string         `json:"licenseDeclared"`
		Copyright        string         `json:"copyrightText"`
		Purpose          string         `json:"primaryPackagePurpose,omitempty"`
		Checksums        []spdxChecksum `json:"checksums,omitempty"`
		References       []spdxRef      `json:"externalRefs"`
	}
	spdxChecksum struct {
		Algorithm string `json:"algorithm"`
		Value     string `json:"checksumValue"`
	}
	spdxRef struct {
		Category string `json:"referenceCategory"`
		Type     string `json:"referenceType"`
		Locator  string `json:"referenceLocator"`
	}
	spdxRelationship struct {
		From string `json:"spdxElementId"`
		Type string `json:"relationshipType"`
		To   string `json:"relatedSpdxElement"`
	}
)

const (
	documentID  = "SPDXRef-DOCUMENT"
	noAssertion = "NOASSERTION"
)

// writeBill writes the bill of materials of a platform's binary beside it.
func (r *release) writeBill(p platform) error {
	file := filepath.Join(r.out, p.binary())
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading what %s is made of: %w", p.binary(), err)
	}
	sum, err := sumOf(file)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(r.bill(p, info, sum), "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.out, p.name()+".spdx.json"), append(text, '\n'), 0o644)
}

func (r *release) bill(p platform, info *debug.BuildInfo, sum string) spdxDocument {
	own := module("SPDXRef-0", info.Main.Path, r.version)
	own.File, own.Purpose, own.LicenseDeclared = p.binary(), "APPLICATION", "Apache-2.0"
	own.Checksums = []spdxChecksum{{"SHA256", sum}}
	d := spdxDocument{
		Version: "SPDX-2.3", DataLicense: "CC0-1.0", ID: documentID, Name: p.name(),
		// Unique, and the same for the same binary.
		Namespace:     "https://github.com/step-ca-intune/step-ca-intune/spdx/" + p.name() + "-" + sum,
		Creation:      spdxCreation{r.date.UTC(), []string{"Tool: " + info.Main.Path + "/test/cmd/release"}},
		Packages:      []spdxPackage{own},
		Relationships: []spdxRelationship{{documentID, "DESCRIBES", own.ID}},
	}
	add := func(path, version string) {
		id := fmt.Sprintf("SPDXRef-%d", len(d.Packages))
		d.Packages = append(d.Packages, module(id, path, version))
		d.Relationships = append(d.Relationships, spdxRelationship{own.ID, "DEPENDS_ON", id})
	}
	// Scanners know the standard library by this name.
	add("stdlib", strings.TrimPrefix(info.GoVersion, "go"))
	for _, dep := range info.Deps {
		if dep.Replace != nil {
			dep = dep.Replace
		}
		add(dep.Path, dep.Version)
	}
	return d
}

func module(id, path, version string) spdxPackage {
	// The plus sign of "+incompatible" means a space in some places of a URL.
	locator := "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B")
	return spdxPackage{
		ID: id, Name: path, Version: version, Location: noAssertion,
		LicenseConcluded: noAssertion, LicenseDeclared: noAssertion, Copyright: noAssertion,
		References: []spdxRef{{"PACKAGE-MANAGER", "purl", locator}},
	}
}
